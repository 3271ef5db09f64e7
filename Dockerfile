# The course for a laptop, or as the image of a JupyterHub. CPU only; nothing in the core needs a GPU.
#   docker build -t samlib . && docker run --rm -p 127.0.0.1:8888:8888 samlib
FROM python:3.12-slim

RUN python -m pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch torchvision

WORKDIR /opt/samlib
COPY pyproject.toml README.md LICENSE ./
COPY samlib samlib
# jupyterhub brings jupyterhub-singleuser, which a hub starts; it must be of the hub's own major version.
RUN python -m pip install --no-cache-dir ".[lab]" "jupyterhub>=4"

RUN useradd --create-home --uid 1000 learner
COPY --chown=1000:1000 notebooks /home/learner/notebooks
COPY --chown=1000:1000 docs/*.md docs/*.png /home/learner/docs/
RUN rm -rf /home/learner/notebooks/source /home/learner/notebooks/solutions /home/learner/notebooks/*.py

USER learner
WORKDIR /home/learner
ENV OMP_NUM_THREADS=1
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--ServerApp.root_dir=/home/learner", "--LabApp.default_url=/lab/tree/notebooks/start.ipynb"]
