// Reports how streaming sessions end; docs/browser.md says why.
(() => {
  if (window.SessionEndCollector) return;
  const OURS = "session-end-collector:";
  const script = document.currentScript;
  const memory = new Map(), pages = [];
  let url, labels, span = 6e4, busy, timer, fails = 0, ready = 0;

  // The page must not notice.
  const safe = (f) => (...args) => {
    try { return f(...args); } catch {}
  };
  const on = (target, type, f) => target.addEventListener(type, safe(f));
  // Date.now() can be set back, performance.now() stops while a laptop sleeps.
  const clock = () => Math.max(Date.now(), performance.timeOrigin + performance.now());
  // No randomUUID on http.
  const uuid = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

  // A key each: tabs that write at once lose nothing.
  const put = (x) => {
    memory.delete(x.event.id);
    try {
      localStorage[OURS + x.event.id] = JSON.stringify(x);
    } catch { memory.set(x.event.id, x); }
  };
  const drop = safe((id) => {
    memory.delete(id);
    delete localStorage[OURS + id];
  });
  const all = () => {
    const found = [...memory.values()];
    safe(() => Object.keys(localStorage).forEach(safe((key) => {
      if (!key.startsWith(OURS)) return;
      const x = JSON.parse(localStorage[key]);
      // The exporter knows ids for a day.
      if (x.sent && clock() - x.at > 864e5) drop(x.event.id);
      else if (x.event.id) found.push(x);
    })))();
    found.sort((x, y) => x.at - y.at);
    while (found[100]) drop(found.shift().event.id);
    return found;
  };
  // undefined: gone.
  const sent = safe((id) => all().find((x) => x.event.id === id).sent);

  const later = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(flush, ms);
  };
  const flush = safe((leaving) => {
    const now = clock();
    if (!leaving && (busy || now < ready)) return busy || later(ready - now);
    const found = all();
    // An hour ahead: a clock put right.
    const due = found.filter((x) => (x.url ||= url) && !(x.until > now && x.at < now + 36e5));
    if (!due[0]) return found[0] && later(span);
    // A replaced key holds up nothing.
    const to = (due.find((x) => x.url === url) || due[0]).url;
    const batch = due.filter((x) => x.url === to).slice(0, 20);
    const body = JSON.stringify(batch.map((x) => {
      x.at = Math.min(x.at, now);
      put({ ...x, sent: 1 });
      return { ...x.event, age_seconds: (now - x.at) / 1e3 };
    }));
    // Where fetch ends with the page: it sends cookies.
    if (leaving && !("keepalive" in Request.prototype)) return navigator.sendBeacon(to, body);
    busy = 1;
    let wait = 0;
    fetch(to, {
      method: "POST", body, keepalive: true, credentials: "omit", referrerPolicy: "no-referrer",
    }).then(({ status, headers }) => {
      // Or a date.
      wait = Math.min(+headers.get("retry-after") || 0, 3600);
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
    let session_id, end, began, lost, over, timed, cached, lapse, beat;
    const begin = () => {
      session_id = uuid();
      end = uuid();
      began = lost = over = timed = 0;
    };
    const emit = (id, code, final, details = {}, until) => {
      const event = {
        id, code: String(code ?? "").slice(0, 128), final, session_id,
        duration_seconds: details.duration_seconds,
        labels: { ...labels, ...own, ...details.labels },
      };
      if (JSON.stringify(event).length > 999) event.labels = {};
      put({ event, url, until, at: clock(), sent: 0 });
      if (!until) later(0);
    };
    const ending = (code, details, until) => emit(end, code, true, {
      duration_seconds: began ? (clock() - began) / 1e3 : undefined, ...details,
    }, until);
    const finish = (code, details) => {
      if (over) return;
      ending(code, details);
      lost = clearTimeout(lapse);
      beat = clearTimeout(beat);
      over = 1;
    };
    const connected = () => {
      if (over) begin();
      if (lost) emit(uuid(), lost, false);
      lost = clearTimeout(lapse);
      began ||= clock();
      if (document.hidden) hold();
    };
    const closed = (code) => {
      if (code != 1005 && code != 1006) return finish(code);
      if (over || lost) return;
      lost = code;
      lapse = setTimeout(safe(() => {
        finish(4007);
        timed = 1;
      }), span);
    };
    // Taken back, or sent by another page.
    const hold = () => {
      // Hidden timers run once a minute.
      if (!sent(end)) ending(lost || 1001, 0, clock() + span + 12e4);
      beat ||= setInterval(safe(hold), span);
    };
    pages.push((going, cache) => {
      if (over || !(began || lost)) return;
      if (going) {
        cached ||= cache;
        hold();
        if (going > 1 && (!cache || memory.has(end))) finish(lost || 1001);
      } else if (beat) {
        beat = clearTimeout(beat);
        // What was sent stays.
        if (cached && sent(end) === 0) {
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
        if (status == "failed") timed = finish(code > 1006 ? code : (!lost && !code && reason) || 4007);
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
          api.state({ status, code: code || (!reason && (lost ? 4007 : value)), reason });
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

  const api = window.SessionEndCollector = session();
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
  api.start({ ...script.dataset, labels: rest });
})();
