"use strict";

import { watch } from "./events.js";

// === Calling ===

/** What the gateway, or the way to it, had against a request. */
class Problem extends Error {
  constructor({ code, message, details, retryable, correlationId }, retryAfterMs = 0) {
    super(message);
    Object.assign(this, { code, details, retryable: Boolean(retryable), correlationId, retryAfterMs });
  }

  static network() {
    const message = "The gateway cannot be reached. The network may be down, or the gateway restarting.";
    return new Problem({ code: "network", message, retryable: true });
  }

  static bare(response, { error, details }) {
    const retryable = [408, 429, 503, 504].includes(response.status);
    const correlationId = response.headers.get("x-correlation-id");
    return new Problem({ code: "refused", message: error, details, retryable, correlationId }, retryAfter(response));
  }

  static unreadable(response) {
    return new Problem({
      code: "unreadable",
      message: `The gateway answered with status ${response.status}, in a form that this page does not understand.`,
      retryable: response.status >= 500,
      correlationId: response.headers.get("x-correlation-id"),
    });
  }
}

/** The data of an answer; a refusal, or none at all, is thrown as a `Problem`. */
async function call(path, { timeoutMs = 60_000, ...options } = {}) {
  const headers = { accept: "application/json", "x-envelope": "new", ...options.headers };
  let response, text;
  try {
    response = await fetch(path, { cache: "no-store", ...options, headers, signal: AbortSignal.timeout(timeoutMs) });
    text = await response.text();
  } catch {
    throw Problem.network();
  }
  const body = parsed(text);
  // A gateway that is set to its old shape sends the data bare.
  if (response.ok && body) return body.ok === true ? body.data : body;
  if (body?.error?.code) throw new Problem(body.error, retryAfter(response));
  if (typeof body?.error === "string") throw Problem.bare(response, body);
  throw Problem.unreadable(response);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function retryAfter(response) {
  const value = response.headers.get("retry-after") ?? "";
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Math.max(ms || 0, 0);
}

function postJson(path, body, key) {
  const headers = { "content-type": "application/json", "idempotency-key": key };
  return call(path, { method: "POST", headers, body: JSON.stringify(body) });
}

// Not `crypto.randomUUID`, which plain http beyond this machine does not have.
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// === View: helpers ===

const $ = (id) => document.getElementById(id);
const heartbeatMs = Number(document.body.dataset.heartbeatMs) || 15_000;

/** An element with properties and children; texts stay texts. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function words(name) {
  const text = name.replaceAll(/[_-]+/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function money({ amount, currency }) {
  if (currency === "credits") return `${amount} ${amount === 1 ? "credit" : "credits"}`;
  return `${amount} ${currency}`;
}

function span(ms) {
  const seconds = Math.max(Math.round(ms / 1_000), 0);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function clock(date) {
  return `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function setStatus(state, text) {
  const status = $("status");
  status.dataset.state = state;
  // The same text again would be read out again.
  if (status.textContent !== text) status.textContent = text;
}

// What a reload needs; a browser may refuse to store anything, and the page then only forgets.
const store = {
  get(name) {
    try {
      return JSON.parse(sessionStorage.getItem(name));
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      if (value) sessionStorage.setItem(name, JSON.stringify(value));
      else sessionStorage.removeItem(name);
    } catch {}
  },
};

// === View: the log ===

const LOG_ROWS = 500;

const log = {
  clear() {
    $("log").replaceChildren();
    $("log-empty").hidden = false;
    for (const id of ["heartbeats", "reconnects"]) this.count(id, 0);
  },

  event({ id, type, data }) {
    const figure = data.progress === undefined ? "" : ` ${Math.round(data.progress * 100)} %`;
    const row = this.row(type, new Date(data.ts), `${data.step ?? ""}${figure}`, id);
    row.dataset.id = id;
  },

  /** Something about the line. Doubled ones share one row, so that they never push the events out of the log. */
  line(type, text) {
    const last = $("log").lastElementChild;
    if (last?.dataset.type !== type) {
      this.row(type, new Date(), text);
      return;
    }
    const times = Number(last.dataset.count ?? 1) + 1;
    last.dataset.count = times;
    last.querySelector(".what").textContent = `${text}, ${times} times`;
  },

  row(type, date, text, id = "") {
    const frame = $("log-frame");
    const atEnd = frame.scrollHeight - frame.scrollTop - frame.clientHeight < 40;
    const time = make("time", { dateTime: date.toISOString() }, clock(date));
    const what = make("span", { className: "what" }, text);
    const row = make("li", {}, time, make("b", {}, type), what, make("code", {}, id));
    row.dataset.type = type;
    $("log").append(row);
    $("log-empty").hidden = true;
    while ($("log").childElementCount > LOG_ROWS) $("log").firstElementChild.remove();
    // Whoever scrolled back to read stays there.
    if (atEnd) frame.scrollTop = frame.scrollHeight;
    return row;
  },

  count(id, to = Number($(id).dataset.count) + 1) {
    $(id).dataset.count = to;
    $(id).textContent = to;
  },
};

// === View: problems ===

let countdown = 0;

function showProblem(problem, retry) {
  const box = $("problem");
  box.dataset.code = problem.code;
  box.dataset.retryable = problem.retryable;
  box.dataset.correlationId = problem.correlationId ?? "";
  $("problem-message").textContent = problem.message;
  $("problem-code").textContent = problem.code;
  $("problem-id").textContent = problem.correlationId ?? "";
  $("correlation").hidden = !problem.correlationId;
  $("copy").textContent = "Copy";
  $("problem-advice").textContent = problem.retryable
    ? "Trying again may help."
    : "Trying the same again will not help.";
  const elsewhere = showFieldProblems(problem.details);
  $("problem-fields").replaceChildren(...elsewhere.map(({ field, problem }) => make("li", {}, `${field}: ${problem}`)));
  $("problem-fields").hidden = elsewhere.length === 0;
  offerRetry(problem.retryable && retry, problem.retryAfterMs);
  box.hidden = false;
}

function hideProblem() {
  clearInterval(countdown);
  const box = $("problem");
  box.hidden = true;
  for (const name of ["code", "retryable", "correlationId"]) delete box.dataset[name];
  for (const note of document.querySelectorAll(".at-fault")) note.remove();
  for (const input of document.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    describe(input, `${input.id}-fault`, false);
  }
}

/** Puts each problem next to its field, and returns those whose field is not on the page. */
function showFieldProblems(details) {
  const problems = Array.isArray(details) ? details.filter((detail) => detail?.field) : [];
  const elsewhere = problems.filter(({ field, problem }) => {
    const place = document.querySelector(`[data-field~="${CSS.escape(field)}"]`);
    const input = place?.querySelector("textarea, select, input:checked, input");
    if (!input || place.closest("[hidden]")) return true;
    const id = `${input.id}-fault`;
    place.append(make("p", { id, className: "at-fault" }, problem));
    input.setAttribute("aria-invalid", "true");
    describe(input, id, true);
    place.closest("details")?.setAttribute("open", "");
    return false;
  });
  document.querySelector("[aria-invalid]")?.focus();
  return elsewhere;
}

function describe(input, id, on) {
  const ids = new Set((input.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
  if (on) ids.add(id);
  else ids.delete(id);
  if (ids.size) input.setAttribute("aria-describedby", [...ids].join(" "));
  else input.removeAttribute("aria-describedby");
}

function offerRetry(retry, waitMs) {
  clearInterval(countdown);
  const button = $("retry");
  button.hidden = !retry;
  if (!retry) return;
  button.onclick = retry;
  const from = Date.now() + waitMs;
  const tick = () => {
    const left = Math.ceil((from - Date.now()) / 1_000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
    if (left <= 0) clearInterval(countdown);
  };
  tick();
  countdown = setInterval(tick, 250);
}

$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("problem-id").textContent);
    $("copy").textContent = "Copied";
  } catch {
    // Without a secure origin there is no clipboard: select it for the person instead.
    getSelection().selectAllChildren($("problem-id"));
    $("copy").textContent = "Selected";
  }
});

// === View: the form ===

const SIZES = [
  [1024, 1024],
  [1344, 768],
  [768, 1344],
  [1152, 896],
];
const RATIOS = ["16:9", "9:16", "1:1", "4:3"];
const SECONDS = [5, 8, 10];

let models = [];

const kind = () => ($("kind-video").checked ? "video" : "image");
const chosenModel = () => models.find(({ name }) => name === $("model").value);

// What can be asked for with a prompt and at most one source picture.
function isOffered(model) {
  const tasks = kind() === "image" ? ["text_to_image"] : ["text_to_video", "image_to_video"];
  const needs = model.limits.requiredReferences ?? [];
  return tasks.includes(model.task) && needs.every((need) => need === "source");
}

function fillModels() {
  const before = $("model").value;
  const groups = [
    ["From words", (model) => model.task !== "image_to_video"],
    ["From a picture", (model) => model.task === "image_to_video"],
  ];
  const options = groups.map(([label, belongs]) => {
    const fitting = models.filter((model) => isOffered(model) && belongs(model));
    return fitting.length
      ? make("optgroup", { label }, ...fitting.map(({ name, label }) => new Option(label ?? name, name)))
      : "";
  });
  $("model").replaceChildren(new Option("The gateway’s default", ""), ...options);
  $("model").value = models.some((model) => model.name === before && isOffered(model)) ? before : "";
}

function fill(select, options) {
  const before = select.value;
  select.replaceChildren(...options.map(([text, value]) => new Option(text, value)));
  if (options.some(([, value]) => String(value) === before)) select.value = before;
}

function facts(model) {
  if (!model) return "The gateway picks a model that fits.";
  const { durations = [], aspectRatios = [], sizes = [] } = model.limits;
  return [
    model.label && model.name,
    model.price && price(model.price),
    durations.length && `${durations.join(", ")} s`,
    aspectRatios.join(", "),
    sizes.length && sizes.map((size) => size.join(" × ")).join(", "),
    model.task === "image_to_video" && "needs a picture to start from",
    model.restricted && "only for accounts of a higher plan",
  ]
    .filter(Boolean)
    .join(" · ");
}

function price({ amount, currency, per }) {
  const seconds = Number($("duration").value);
  const total = per === "second" && seconds ? `, ${money({ amount: amount * seconds, currency })} for ${seconds} s` : "";
  return `${money({ amount, currency })} per ${per}${total}`;
}

/** Brings the form into line with what is chosen. */
function adapt() {
  const video = kind() === "video";
  const model = chosenModel();
  const limits = model?.limits ?? {};
  const choice = ["Default", ""];

  $("image-options").hidden = video;
  $("video-options").hidden = !video;
  for (const field of document.querySelectorAll(".picture-only")) field.hidden = video;
  $("submit").textContent = video ? "Make the video" : "Make the picture";

  const sizes = (limits.sizes ?? SIZES).map((size) => [size.join(" × "), size.join("x")]);
  fill($("size"), [choice, ...sizes, ...(limits.sizes ? [] : [["Own size …", "own"]])]);
  for (const field of document.querySelectorAll(".own-size")) field.hidden = video || $("size").value !== "own";

  // Which lengths an unnamed model takes only the gateway knows.
  const durations = limits.durations ?? (model ? SECONDS : []);
  fill($("duration"), [choice, ...durations.map((seconds) => [`${seconds} s`, seconds])]);
  fill($("aspect-ratio"), [choice, ...(limits.aspectRatios ?? RATIOS).map((ratio) => [ratio, ratio])]);

  $("model-facts").textContent = facts(model);

  const wordsOnly = model?.task === "text_to_video";
  const made = store.get("made");
  $("source-made").disabled = wordsOnly || !made;
  $("source-upload").disabled = wordsOnly;
  if (document.querySelector("[name=source]:checked").disabled) $("source-none").checked = true;
  $("file").hidden = !$("source-upload").checked;
  $("source-hint").hidden = !wordsOnly;
  $("source-hint").textContent = wordsOnly ? "The chosen model works from words alone." : "";
}

/** The request as the form stands: only what was filled in. The gateway checks it; its word counts. */
async function readForm() {
  const number = (id) => ($(id).value === "" ? undefined : Number($(id).value));
  const body = { prompt: $("prompt").value, model: $("model").value || undefined, seed: number("seed") };
  if (kind() === "image") {
    const size = $("size").value;
    const [width, height] = size === "own" ? [number("width"), number("height")] : size.split("x").map(Number);
    if (size) Object.assign(body, { width, height });
    return { ...body, steps: number("steps"), negativePrompt: $("negative-prompt").value || undefined };
  }
  const image = await sourcePicture();
  return { ...body, image, duration: number("duration"), aspectRatio: $("aspect-ratio").value || undefined };
}

// So that a second try does not upload the same file again.
const uploaded = new WeakMap();

async function sourcePicture() {
  if ($("source-made").checked) return store.get("made")?.jobId;
  if (!$("source-upload").checked) return undefined;
  const file = $("file").files[0];
  if (!file) {
    const details = [{ field: "file", problem: "choose a picture" }];
    throw new Problem({ code: "no_file", message: "No picture was chosen.", details });
  }
  if (!uploaded.has(file)) {
    setStatus("working", "Uploading the picture …");
    const body = new FormData();
    body.append("file", file);
    const answer = await call("/api/uploads", { method: "POST", body, timeoutMs: 600_000 });
    uploaded.set(file, answer.fileId);
  }
  return uploaded.get(file);
}

async function submit() {
  begin();
  try {
    await create({ kind: kind(), body: await readForm(), key: newKey() });
  } catch (problem) {
    fail(problem, submit);
  }
}

/** A second try sends the same key, so that a gateway that remembers keys makes and pays nothing twice. */
async function create(request) {
  begin();
  try {
    const { jobId, links, ...now } = await postJson(`/api/${request.kind}s`, request.body, request.key);
    showStep(now.step ?? now.status, now.progress);
    follow({ jobId, links, kind: request.kind, prompt: request.body.prompt, startedAt: Date.now() });
  } catch (problem) {
    fail(problem, () => create(request));
  }
}

$("create").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
$("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("create").requestSubmit();
});
$("create").addEventListener("change", ({ target }) => {
  if (target.name === "kind") fillModels();
  adapt();
});

async function loadModels() {
  try {
    models = await call("/api/models");
    fillModels();
    adapt();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    // The default model needs no list, so this stops nobody.
    $("model-facts").textContent = `The list of models cannot be had now (${problem.code}); the default works without it.`;
  }
}

// === View: the job ===

let current = null;
let isFinishing = false;
let unwatch = () => {};
let ticking = 0;

/** A new try, of which nothing is known yet. */
function begin() {
  forget();
  log.clear();
  $("result").replaceChildren();
  $("elapsed").textContent = "";
  $("leave").hidden = true;
  showStep("sending");
  work("Sending the request …");
}

function work(text) {
  hideProblem();
  $("empty").hidden = true;
  $("progress").hidden = false;
  $("submit").disabled = true;
  setStatus("working", text);
}

/** Nothing runs any more: neither a line nor a clock. */
function rest() {
  unwatch();
  clearInterval(ticking);
  $("progress").hidden = true;
  $("empty").hidden = $("result").childElementCount > 0;
  $("submit").disabled = false;
}

function forget() {
  rest();
  current = null;
  store.set("job", null);
}

function fail(problem, retry) {
  rest();
  // What is no `Problem` is a mistake of this page, and belongs on the console.
  if (!(problem instanceof Problem)) throw problem;
  $("empty").hidden = true;
  setStatus("failed", "That did not work.");
  showProblem(problem, retry);
}

function follow(job) {
  current = job;
  isFinishing = false;
  store.set("job", job);
  $("leave").hidden = false;
  const tick = () => ($("elapsed").textContent = span(Date.now() - job.startedAt));
  tick();
  ticking = setInterval(tick, 1_000);
  unwatch = watch(job.links.events, {
    heartbeatMs,
    onEvent,
    onOpen: () => setStatus("working", `${$("step").textContent} …`),
    onHeartbeat() {
      log.count("heartbeats");
      log.line("heartbeat", "the line is alive");
    },
    onReset() {
      log.line("reset", "a part of the history was lost");
      // What is kept comes now, often with the end of the job; only if it does not, this look tells it.
      setTimeout(isOver, 2_000);
    },
    onLost(why) {
      const reasons = { cut: "the line was cut", silent: "the line went silent", refused: "the stream was refused" };
      log.count("reconnects");
      log.line("reconnect", reasons[why]);
      setStatus("reconnecting", "The line was lost; reconnecting …");
    },
    isOver,
  });
}

function onEvent(event) {
  const { type, data } = event;
  log.event(event);
  showStep(data.step ?? type, data.progress);
  setStatus("working", `${$("step").textContent} …`);
  if (type === "completed") finish();
  if (type === "failed") giveUp(data.error);
}

function showStep(step, progress) {
  const bar = $("bar");
  // Only the provider knows how far it is: without its figure the bar moves and claims nothing.
  const figure = typeof progress === "number" ? Math.round(progress * 100) : null;
  $("step").textContent = words(step);
  $("figure").textContent = figure === null ? "" : `${figure} %`;
  bar.setAttribute("aria-valuetext", figure === null ? words(step) : `${words(step)}, ${figure} %`);
  if (figure === null) {
    bar.removeAttribute("aria-valuenow");
  } else {
    bar.setAttribute("aria-valuenow", figure);
    bar.style.setProperty("--share", progress);
  }
}

/** Looks at the job itself. True when there is nothing left to watch. */
async function isOver() {
  const job = current;
  if (!job) return true;
  try {
    const { status, error, step, progress } = await call(job.links.self);
    if (job !== current) return true;
    if (status === "completed") finish();
    else if (status === "failed" || status === "cancelled") giveUp(error ?? stopped(status));
    else showStep(step ?? status, progress);
    return ["completed", "failed", "cancelled"].includes(status);
  } catch (problem) {
    if (job !== current) return true;
    if (problem.retryable) return false;
    forget();
    fail(problem);
    return true;
  }
}

function stopped(status) {
  return { code: `job_${status}`, message: "The job was stopped.", retryable: false };
}

/** The job made nothing. A job ends once, whether its stream says so or a look at it. */
function giveUp(error) {
  if (!current) return;
  forget();
  // Only a new job may do better: a new key, from the form as it stands.
  fail(new Problem(error), submit);
}

async function finish() {
  const job = current;
  if (!job || isFinishing) return;
  isFinishing = true;
  unwatch();
  clearInterval(ticking);
  job.tookMs ??= Date.now() - job.startedAt;
  store.set("job", job);
  showStep("fetching");
  try {
    const artifact = await fetchResult(job);
    if (job === current) showArtifact(artifact, job);
  } catch (problem) {
    if (job === current) fail(problem, finishAgain);
  }
}

function finishAgain() {
  isFinishing = false;
  work("Fetching the result …");
  finish();
}

async function fetchResult(job) {
  for (let wait = 1_000; ; wait *= 2) {
    try {
      return await call(job.links.result);
    } catch (problem) {
      // A short hiccup nobody needs to see; for a long one there is the button.
      if (!problem.retryable || problem.retryAfterMs > 10_000 || wait > 4_000) throw problem;
      await new Promise((resolve) => setTimeout(resolve, Math.max(wait, problem.retryAfterMs)));
    }
  }
}

function showArtifact(artifact, job) {
  const { kind, url, thumbnailUrl, mediaType, width, height, durationMs, cost } = artifact;
  const isVideo = kind === "video";
  const media = isVideo
    ? make("video", { id: "video", controls: true, playsInline: true, preload: "metadata", poster: thumbnailUrl ?? "" })
    : make("img", { id: "picture", alt: job.prompt });
  if (isVideo) media.setAttribute("aria-label", job.prompt);
  media.addEventListener("error", () => {
    const message = `The ${isVideo ? "video" : "picture"} was made, but cannot be loaded. Its address may have expired.`;
    fail(new Problem({ code: "media_unavailable", message, retryable: true }), finishAgain);
  });
  media.src = url;

  const known = [
    mediaType,
    width && height && `${width} × ${height}`,
    durationMs && `${durationMs / 1_000} s`,
    cost && `cost ${money(cost)}`,
  ];
  const download = { className: "button", href: url, download: "", target: "_blank", rel: "noopener" };
  const actions = make("p", { className: "actions" }, make("a", download, "Download"));
  if (!isVideo) {
    store.set("made", { jobId: job.jobId });
    actions.append(make("button", { type: "button", onclick: animate }, "Make a video of it"));
  }
  const facts = make("p", { className: "facts" }, known.filter(Boolean).join(" · "));
  $("result").replaceChildren(
    make("figure", {}, media, make("figcaption", {}, job.prompt), facts, actions),
  );
  rest();
  adapt();
  setStatus("done", `Done after ${span(job.tookMs)}.`);
}

function animate() {
  $("kind-video").checked = true;
  fillModels();
  $("model").value = "";
  adapt();
  $("source-made").checked = true;
  adapt();
  $("prompt").focus();
}

$("leave").addEventListener("click", () => {
  forget();
  setStatus("idle", "No longer watching. The job goes on.");
});

// === Start ===

fillModels();
adapt();
loadModels();

const kept = store.get("job");
if (kept) {
  showStep("resuming");
  work("Resuming …");
  follow(kept);
}
