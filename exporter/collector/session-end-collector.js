// Reports how streaming sessions end: see docs/browser.md.
(() => {
  if (window.SessionEndCollector) return;
  const PREFIX = "session-end-collector:";
  const script = document.currentScript;
  const memory = new Map(), pages = [];
  let url, labels, span = 6e4, busy, timer, fails = 0, ready = 0;

  // The page must not notice.
  const safe = (f) => (...args) => {
    try { return f(...args); } catch {}
  };
  const on = (target, type, f) => target.addEventListener(type, safe(f));
  // Date.now() can be set back, performance.now() stands still while a laptop sleeps.
  const clock = () => Math.max(Date.now(), performance.timeOrigin + performance.now());
  // http pages have no randomUUID.
  const uuid = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

  // A key an event: tabs that write at once lose nothing.
  const put = (x) => {
    const { id } = x.event;
    memory.delete(id);
    try { localStorage[PREFIX + id] = JSON.stringify(x); } catch { memory.set(id, x); }
  };
  const drop = safe((id) => {
    memory.delete(id);
    delete localStorage[PREFIX + id];
  });
  const kept = safe((id) => memory.has(id) || PREFIX + id in localStorage);
  const all = () => {
    const found = [...memory.values()];
    safe(() => Object.keys(localStorage).forEach(safe((key) => {
      if (!key.startsWith(PREFIX)) return;
      const x = JSON.parse(localStorage[key]);
      // The exporter remembers an id for a day.
      if (x.sent && clock() - x.at > 864e5) drop(x.event.id);
      else if (x.event.id) found.push(x);
    })))();
    found.sort((a, b) => a.at - b.at);
    while (found[100]) drop(found.shift().event.id);
    return found;
  };

  const later = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(flush, ms);
  };
  const flush = safe((leaving) => {
    const now = clock();
    if (!leaving && (busy || now < ready)) return busy || later(ready - now);
    const waiting = all();
    const due = waiting.filter((x) => !(x.until > now));
    if (!due[0]) return waiting[0] && later(span);
    const to = due[0].url || url;
    if (!to) return;
    const batch = due.filter((x) => (x.url || url) === to).slice(0, 20);
    const body = JSON.stringify(batch.map((x) => {
      put({ ...x, sent: 1 });
      return { ...x.event, age_seconds: Math.max(0, now - x.at) / 1e3 };
    }));
    // Only where fetch ends with the page: it sends cookies.
    if (leaving && !("keepalive" in Request.prototype)) return navigator.sendBeacon(to, body);
    busy = 1;
    let wait = 0;
    fetch(to, {
      method: "POST", body, keepalive: true, credentials: "omit", referrerPolicy: "no-referrer",
    }).then(({ status, headers }) => {
      wait = Math.min(headers.get("retry-after") || 0, 3600);
      if (status > 499 || status === 408 || status === 429) throw 0;
      batch.forEach((x) => drop(x.event.id));
      fails = 0;
    }).catch(() => {
      ready = clock() + Math.max(wait, 2 ** Math.min(fails++, 8)) * 1e3 * (1 + Math.random());
    }).then(() => {
      busy = 0;
      later(0);
    });
  });

  const session = safe((own) => {
    // A session's end has one id: whoever sends it, it is counted once.
    let session_id, end, began, lost, over, timed, cached, patience, beat;
    const begin = () => {
      session_id = uuid();
      end = uuid();
      began = lost = over = timed = 0;
    };
    const emit = (id, code, final, details, until) => {
      const { duration_seconds, phase } = details || 0;
      const event = {
        id, code: String(code ?? "").slice(0, 128), final, session_id, duration_seconds, phase,
        labels: { ...labels, ...own, ...details?.labels },
      };
      if (JSON.stringify(event).length > 999) event.labels = {};
      put({ event, url, until, at: clock() });
      if (!until) later(0);
    };
    const ending = (code, details, until) => emit(end, code, true, {
      duration_seconds: began ? (clock() - began) / 1e3 : undefined, ...details,
    }, until);
    const stop = () => {
      clearTimeout(patience);
      clearTimeout(beat);
      lost = beat = 0;
      over = 1;
    };
    const finish = (code, details) => {
      if (over) return;
      ending(code, details);
      stop();
    };
    const connected = () => {
      if (over) begin();
      if (lost) emit(uuid(), lost, false);
      clearTimeout(patience);
      lost = 0;
      began ||= clock();
    };
    const closed = (code) => {
      if (code != 1005 && code != 1006) return finish(code);
      if (over || lost) return;
      lost = code;
      patience = setTimeout(safe(() => {
        finish(4007);
        timed = 1;
      }), span);
    };
    // Taken back when this page returns, else sent by another.
    const hold = () => {
      clearTimeout(beat);
      ending(lost || 1001, 0, clock() + 3 * span);
      beat = setTimeout(safe(() => kept(end) ? hold() : stop()), span);
    };
    pages.push((going, cache) => {
      if (over) return;
      if (going) {
        if (!began && !lost) return;
        cached ||= cache;
        hold();
        if (going > 1 && (!cache || memory.has(end))) finish(lost || 1001);
      } else if (beat) {
        clearTimeout(beat);
        beat = 0;
        if (!kept(end)) stop();
        else if (cached) {
          emit(end, 1001, false);
          end = uuid();
        } else drop(end);
        cached = 0;
      }
    });
    begin();

    const api = {
      connected,
      state({ status, code, reason }) {
        if (status == "connecting" && over && !timed) begin();
        if (status == "connected") connected();
        if (status == "reconnecting") closed(1006);
        if (status == "disconnected") closed(code || reason || 1005);
        if (status == "failed") timed = finish(code > 1006 ? code : 4007);
      },
      streampixel(app) {
        const stream = app.reconnectStream || app;
        stream.on("state", api.state);
        app.pixelStreaming?.addEventListener("webRtcConnected", safe(() => lost || connected()));
      },
      frame(frame, origin = "https://share.streampixel.io") {
        on(window, "message", (e) => {
          const { type, value, code, reason } = e.data;
          const { contentWindow } = frame.contentWindow ? frame : document.querySelector(frame);
          if (e.origin !== origin || e.source !== contentWindow || type !== "stream-state") return;
          const status = { loadingComplete: "connected", restricted: "disconnected" }[value] || value;
          api.state({ status, code: code || reason || (lost ? 4007 : value) });
        });
      },
      socket(socket) {
        if (socket.readyState === 1) connected();
        on(socket, "open", connected);
        on(socket, "close", (e) => closed(e.code));
      },
      end(code, details) {
        if (over) begin();
        finish(code, details);
      },
    };
    for (const name in api) api[name] = safe(api[name]);
    return api;
  });

  const turn = (going, cache) => {
    pages.forEach((page) => page(going, cache));
    if (!cache || memory.size) flush(going > 1);
  };
  on(document, "visibilitychange", () => turn(+document.hidden));
  on(window, "pagehide", (e) => turn(2, e.persisted));
  on(window, "pageshow", () => turn(0));
  on(window, "online", () => flush(ready = 0));

  const api = (window.SessionEndCollector = session());
  api.session = session;
  api.start = safe((config) => {
    if (url || !config.key) return;
    url = (config.ingest || script.src).replace(/(\/v1\/.*|\/)$/, "") + "/v1/beacons/" + config.key;
    labels = config.labels;
    span = (config.window > 0 ? config.window : 60) * 1e3;
    if (config.frame) api.frame(config.frame, config.origin);
    flush();
  });
  const { key, ingest, frame, origin, window: _, ...rest } = script?.dataset || {};
  if (key) api.start({ ...script.dataset, labels: rest });
})();
