// Follows an event stream with the npm package `eventsource`, and prints each event as a line of JSON.
// Usage: node eventsource.cjs URL KEY

const { EventSource } = require("eventsource");

const TYPES = ["queued", "progress", "artifact", "completed", "failed", "heartbeat", "reset"];

const [url, key] = process.argv.slice(2);
const authorization = `Bearer ${key}`;
const source = new EventSource(url, {
  fetch: (address, init) => fetch(address, { ...init, headers: { ...init.headers, authorization } }),
});

for (const type of TYPES) {
  source.addEventListener(type, ({ lastEventId: id, data }) => console.log(JSON.stringify({ type, id, data })));
}

// It comes back by itself, unless it was told that nothing more comes, or not let in.
source.onerror = ({ code }) => {
  if (source.readyState === EventSource.CLOSED && code !== 204) process.exitCode = 1;
};
