// Plays the widgets of a page: every state is a picture and a text that were made beforehand.
// No fetch: a page that is opened from the disk may load scripts and pictures only.
"use strict";

const samlib = { players: new Map(), arrived: (name, states) => samlib.players.get(name).arrive(states) };

class Player {
  constructor(form) {
    this.form = form;
    this.rows = [...form.querySelectorAll(".controls .row")];
    this.picture = form.querySelector("img");
    this.said = form.querySelector(".said");
    this.larger = form.querySelector(".larger a");
    this.play = form.querySelector("button.run");
    form.addEventListener("input", () => this.show(true));
    form.addEventListener("submit", (event) => event.preventDefault());
    this.play?.addEventListener("click", () => (this.timer ? this.stop() : this.start()));
    samlib.players.set(form.id, this);
    // what the browser or the address remembers is set before anything is shown
    this.restore(new URLSearchParams(location.search));
  }

  load() {
    if (this.asked) return;
    this.asked = true;
    const script = document.createElement("script");
    script.src = this.form.dataset.states;
    document.head.append(script);
  }

  arrive(states) {
    this.states = states;
    this.form.querySelector(".controls").disabled = false;
    this.show(false);
    this.form.dataset.ready = "yes";
  }

  // Of each control: which of its values it has, and how many there are.
  positions() {
    return this.rows.map((row) => {
      const control = row.querySelector("input[type=range], select");
      if (control) return control.type === "range" ? [+control.value, +control.max + 1] : [control.selectedIndex, control.length];
      const radios = [...row.querySelectorAll("input")];
      return [radios.findIndex((radio) => radio.checked), radios.length];
    });
  }

  state(positions = this.positions()) {
    return positions.reduce((number, [at, count]) => number * count + at, 0);
  }

  show(moved) {
    for (const slider of this.form.querySelectorAll("input[type=range]")) {
      const text = JSON.parse(slider.dataset.texts)[slider.value];
      slider.setAttribute("aria-valuetext", text);
      slider.nextElementSibling.value = text;
    }
    if (!this.states) return;
    const [file, text] = this.states[this.state()];
    const address = `${this.form.dataset.pictures}/${file}`;
    if (this.picture.getAttribute("src") !== address) this.picture.src = address;
    this.picture.alt = text;
    this.larger.href = address;
    if (moved) {
      this.said.textContent = text;
      remember(this);
    }
    this.fetchNeighbours();
  }

  // The pictures one step away, so that the next key finds them there.
  fetchNeighbours() {
    const now = this.positions();
    now.forEach(([at, count], i) => {
      for (const next of [at - 1, at + 1]) {
        if (next < 0 || next >= count) continue;
        const [file] = this.states[this.state(now.map((position, j) => (i === j ? [next, count] : position)))];
        new Image().src = `${this.form.dataset.pictures}/${file}`;
      }
    });
  }

  name(row) {
    return row.querySelector("input, select").name;
  }

  texts(row) {
    const control = row.querySelector("input[type=range], select");
    if (!control) return [...row.querySelectorAll("span.toggle span")].map((span) => span.textContent);
    return control.type === "range" ? JSON.parse(control.dataset.texts) : [...control.options].map((option) => option.text);
  }

  restore(wanted) {
    for (const row of this.rows) {
      const at = this.texts(row).indexOf(wanted.get(this.name(row)));
      if (at >= 0) this.set(row, at);
    }
  }

  set(row, at) {
    const control = row.querySelector("input[type=range], select");
    if (!control) row.querySelectorAll("input")[at].checked = true;
    else if (control.type === "range") control.value = at;
    else control.selectedIndex = at;
  }

  start() {
    const slider = this.rows.at(-1).querySelector("input");
    slider.value = 0;
    this.play.textContent = "Stop";
    this.show(true);
    this.timer = setInterval(() => {
      slider.value = +slider.value + 1;
      this.show(true);
      if (slider.value === slider.max) this.stop();
    }, 500);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "Play";
  }
}

// The state stands in the address, so that it can be shared; browsers allow few changes of it in a second.
let waiting = null;
function remember(player) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const query = new URLSearchParams(location.search);
    player.positions().forEach(([at], i) => query.set(player.name(player.rows[i]), player.texts(player.rows[i])[at]));
    history.replaceState(null, "", `?${query}${location.hash}`);
  }, 250);
}

function question(form) {
  const button = form.querySelector("button.run");
  const reply = form.querySelector(".reply");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => (button.disabled = false));
  button.addEventListener("click", () => {
    const chosen = form.querySelector("input:checked");
    form.querySelector("fieldset").disabled = true;
    reply.innerHTML = JSON.parse(form.dataset.replies)[chosen.value];
  });
}

document.querySelectorAll("form.question").forEach(question);
const near = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => samlib.players.get(entry.target.id).load()),
  { rootMargin: "600px" },
);
document.querySelectorAll("form.player").forEach((form) => near.observe(new Player(form).form));
