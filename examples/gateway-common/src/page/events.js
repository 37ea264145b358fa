// Follows one event stream of a gateway to its last event, over a line that may break, and hands on every event once.
//
// The browser's `EventSource` reconnects by itself when a line is cut, and sends the `Last-Event-ID` header. Two things
// it does not do, and this module does: it never notices a line that is open but dead, and it stops for good on any
// answer but 200.
//
// An ES module without dependencies, for any page: see README.md beside it.

/**
 * One event, as the gateway sent it.
 *
 * @template [Data=any]
 * @typedef {object} StreamEvent
 * @property {string} id a cursor: opaque, and one for each event
 * @property {string} type such as `progress`
 * @property {Data} data what was sent as JSON
 */

/**
 * Why a line was lost: it was `cut`, it went `silent`, or another one was `refused`.
 *
 * @typedef {"cut" | "silent" | "refused"} Loss
 */

/**
 * @template [Data=any]
 * @typedef {object} WatchOptions
 * @property {(event: StreamEvent<Data>) => void} onEvent called with every event once, in order
 * @property {string[]} [types] the events to listen for; those of a job unless given
 * @property {string[]} [lastTypes] after any of these nothing more comes; `completed` and `failed` unless given
 * @property {number} [heartbeatMs] how often the server says that it lives, 15 s unless given; a line that is silent
 *   for two and a half times as long is replaced
 * @property {string} [lastEventId] begin after the event with this id, such as the last one before a reload
 * @property {() => void} [onHeartbeat] the server said that it lives
 * @property {() => void} [onReset] the server no longer has all that happened since the last event
 * @property {() => void} [onOpen] the line stands, for the first time or again
 * @property {(why: Loss) => void} [onLost] the line is lost, and another one is on its way
 * @property {() => boolean | Promise<boolean>} [isOver] asked after the server stopped for good: whether there is
 *   nothing left to watch. Unless given there is, and another line is opened. It must not throw.
 */

const EVENT_TYPES = ["queued", "progress", "artifact", "completed", "failed"];
const LAST_TYPES = ["completed", "failed"];

const PATIENCE = {
  // Of the heartbeat interval: a line is dead after more than two heartbeats were missed.
  silence: 2.5,
  // Until an own attempt is answered; a shorter heartbeat must not make a slow network look dead.
  opening: 10_000,
  // Longer: the browser first waits as long as the server's `retry:` asks, which a page cannot read.
  reopening: 60_000,
};

const BACKOFF = { first: 1_000, most: 30_000 };

// Only so many ids are remembered; it is more than a server keeps of one job.
const IDS_REMEMBERED = 5_000;

const nothing = () => {};

/**
 * Watches an event stream until one of its last events, or until it is told to stop.
 *
 * @template [Data=any]
 * @param {string | URL} url of the event stream
 * @param {WatchOptions<Data>} options
 * @returns {() => void} stops watching; nothing is called afterwards
 */
export function watch(url, options) {
  const { onEvent, onHeartbeat = nothing, onReset = nothing, onOpen = nothing, onLost = nothing } = options;
  const { types = EVENT_TYPES, lastTypes = LAST_TYPES, heartbeatMs = 15_000, isOver = () => false } = options;
  /** @type {Set<string>} */
  const seen = new Set();
  let cursor = options.lastEventId ?? "";
  let failures = 0;
  /** @type {EventSource | null} */
  let source = null;
  let timer = 0;

  function open() {
    const address = new URL(url, location.href);
    // Only for this first request: when the browser reconnects by itself, its newer header wins over this.
    if (cursor) address.searchParams.set("lastEventId", cursor);
    const line = new EventSource(address);
    source = line;
    line.onopen = () => {
      listen();
      onOpen();
    };
    line.onerror = () => (line.readyState === EventSource.CLOSED ? refused() : cut());
    for (const type of new Set([...types, ...lastTypes])) line.addEventListener(type, receive);
    line.addEventListener("heartbeat", () => {
      alive();
      onHeartbeat();
    });
    line.addEventListener("reset", () => {
      alive();
      onReset();
    });
    expect(PATIENCE.opening);
  }

  /** @param {MessageEvent<string>} message */
  function receive(message) {
    alive();
    const id = message.lastEventId;
    // An event without an id is not known again, and no place to resume from.
    if (seen.has(id)) return;
    if (id) remember(id);
    if (lastTypes.includes(message.type)) stop();
    onEvent({ id, type: message.type, data: JSON.parse(message.data) });
  }

  /** @param {string} id */
  function remember(id) {
    cursor = id;
    seen.add(id);
    // A set keeps the order of insertion.
    const [oldest] = seen;
    if (seen.size > IDS_REMEMBERED) seen.delete(oldest);
  }

  // An answer alone proves little: a server under load may open and close. Only what it says ends the backoff.
  function alive() {
    failures = 0;
    listen();
  }

  function listen() {
    expect(heartbeatMs * PATIENCE.silence);
  }

  /** @param {number} ms */
  function expect(ms) {
    clearTimeout(timer);
    timer = setTimeout(() => reopen("silent"), ms);
  }

  function cut() {
    expect(PATIENCE.reopening);
    onLost("cut");
  }

  async function refused() {
    const mine = source;
    stop();
    const over = await isOver();
    // Somebody may have stopped this watch meanwhile.
    if (over || source !== mine) return;
    // The cursor may be what was refused. Without it everything comes again, and is known by its id.
    cursor = "";
    reopen("refused");
  }

  /** @param {Loss} why */
  function reopen(why) {
    stop();
    onLost(why);
    const ceiling = Math.min(BACKOFF.first * 2 ** failures, BACKOFF.most);
    failures += 1;
    // Half of it by chance, so that the clients of a server that restarts do not all come back at once.
    timer = setTimeout(open, ceiling * (0.5 + Math.random() / 2));
  }

  function stop() {
    clearTimeout(timer);
    source?.close();
  }

  open();
  return () => {
    stop();
    source = null;
  };
}
