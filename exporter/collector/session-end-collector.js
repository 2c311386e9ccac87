// Reports how streaming sessions end; docs/browser.md describes the rules.
(() => {
  const script = document.currentScript;
  const startTag = (collector) => {
    // A module has no script element.
    const { key, ingest, frame, origin, window: recoveryWindow, ...labels } = script?.dataset || {};
    if (key) collector.start({ key, ingest, frame, origin, window: recoveryWindow, labels });
  };
  if (window.SessionEndCollector) return startTag(window.SessionEndCollector);
  const PREFIX = "session-end-collector:", INACTIVITY = 4004;
  // Events of Epic's PixelStreaming, and the states of the Web SDK that say the same.
  const STATES = {
    webRtcAutoConnect: "connecting", webRtcConnecting: "connecting", webRtcConnected: "connected",
    webRtcDisconnected: "disconnected", webRtcFailed: "failed",
  };
  const unstored = new Map(), seen = {}, sessions = [];
  let url, labels, recovery = 6e4, busy, timer, failures = 0, failedUrl, retryAt = 0, ticks = 0, warned;

  // No exception may reach the page.
  const safe = (f, failed) => (...args) => {
    try { return f(...args); } catch { failed?.(); }
  };
  const on = (target, type, f) => target.addEventListener(type, safe(f));
  const warn = (problem) => () => {
    if (!warned) console.warn(PREFIX, problem + ", so session ends are missing; see docs/browser.md");
    warned = 1;
  };
  const warnNothing = warn("there is nothing to follow");
  const warnSecond = warn("a second iframe needs its own session()");
  // Date.now() can be set back, performance.now() stops while a laptop sleeps.
  const clock = () => Math.max(Date.now(), performance.timeOrigin + performance.now());
  // crypto.randomUUID needs https.
  const uuid = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

  // A key for each end: tabs that write at the same time lose nothing.
  const store = (item) => {
    unstored.delete(item.event.id);
    try {
      localStorage[PREFIX + item.event.id] = JSON.stringify(item);
    } catch { unstored.set(item.event.id, item); }
  };
  const drop = safe((id) => {
    unstored.delete(id);
    delete localStorage[PREFIX + id];
  });
  const all = () => {
    const items = [...unstored.values()];
    safe(() => Object.keys(localStorage).forEach(safe((key) => {
      if (!key.startsWith(PREFIX)) return;
      const item = JSON.parse(localStorage[key]);
      // The exporter remembers ids for a day. Nothing is sent offline.
      if (item.sent && clock() - item.at > 864e5) drop(item.event.id);
      else if (item.event.id) items.push(item);
    })))();
    items.sort((a, b) => a.at - b.at);
    while (items[100]) drop(items.shift().event.id);
    return items;
  };
  // A hidden page renews its end once a minute. Clocks jump when a laptop wakes up.
  const abandoned = ({ event: { id }, at }) => {
    if (seen[id]?.at !== at) seen[id] = { at, ticks };
    return ticks > 3 + seen[id].ticks;
  };

  const later = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(flush, ms);
  };
  const flush = safe((leaving) => {
    const now = clock();
    const due = all().filter((item) => (item.url ||= url) && (!item.live || abandoned(item)));
    if (!due[0]) return;
    // Ends for a replaced key must not block the others.
    const to = (due.find((item) => item.url === url) || due[0]).url;
    const wait = to === failedUrl && retryAt - now;
    if (!leaving && (busy || wait > 0)) return busy || later(wait);
    const batch = due.filter((item) => item.url === to).slice(0, 20);
    const body = JSON.stringify(batch.map((item) => {
      item.at = Math.min(item.at, now);
      store({ ...item, sent: item.sent || navigator.onLine });
      return { ...item.event, age_seconds: (now - item.at) / 1e3 };
    }));
    // Only where fetch ends with the page, because sendBeacon sends cookies.
    if (leaving && !("keepalive" in Request.prototype)) return navigator.sendBeacon(to, body);
    busy = 1;
    let seconds = 0;
    fetch(to, {
      method: "POST", body, keepalive: true, credentials: "omit", referrerPolicy: "no-referrer",
    }).then(({ status, headers }) => {
      // Retry-After may be a date.
      seconds = Math.min(+headers.get("retry-after") || 0, 3600);
      if (status > 499 || status === 408 || status === 429) throw 0;
      batch.forEach((item) => drop(item.event.id));
      failures = 0;
    }).catch(() => {
      failedUrl = to;
      retryAt = clock() + Math.max(seconds, 2 ** Math.min(failures++, 8)) * 1e3 * (1 + Math.random());
    }).then(() => {
      busy = 0;
      later(0);
    });
  });

  const session = safe((own) => {
    let session_id, end, began, lost, over, timedOut, idle, followed, recoveryTimer;
    const begin = () => {
      session_id = uuid();
      end = uuid();
      began = lost = over = timedOut = idle = 0;
    };
    const emit = (id, code, final, details = {}, live) => {
      const event = {
        // The exporter rejects half of a surrogate pair, such as a cut emoji.
        id, code: String(code ?? "").slice(0, 128).replace(/\p{Cs}/gu, "\ufffd"), final, session_id,
        duration_seconds: details.duration_seconds,
        labels: { ...labels, ...own, ...details.labels },
      };
      if (JSON.stringify(event).length > 999) event.labels = {};
      store({ event, url, live, at: clock() });
      if (!live) later(0);
    };
    // `live`: the end if the page crashes.
    const finish = (code, details, live) => {
      if (over) return;
      emit(end, code, true, {
        duration_seconds: began ? (clock() - began) / 1e3 : undefined, ...details,
      }, live);
      if (live) return;
      lost = clearTimeout(recoveryTimer);
      over = 1;
    };
    const connected = () => {
      if (over) begin();
      if (lost) emit(uuid(), lost, false);
      lost = idle = clearTimeout(recoveryTimer);
      began ||= clock();
      finish(1001, 0, 1);
    };
    const closed = (code) => {
      if (code != 1005 && code != 1006) return finish(code);
      if (over || lost) return;
      lost = code;
      recoveryTimer = setTimeout(safe(() => {
        finish(idle ? INACTIVITY : 4007);
        timedOut = 1;
      }), recovery);
    };
    sessions.push((live) => (began || lost) && finish(lost || 1001, 0, live));
    begin();

    const api = {
      connected: safe(connected),
      state: safe(({ status, code, reason }) => {
        if (status == "connecting" && over && !timedOut) begin();
        if (status == "connected") connected();
        if (status == "reconnecting") closed(1006);
        const named = /inactivity/i.test(reason);
        const inactive = (idle || named) && !(code > 1006);
        // The connection may come back, also during an inactivity warning.
        const dropped = !named && (code ? code == 1005 || code == 1006 : !reason);
        if (status == "disconnected") closed(inactive && !dropped ? INACTIVITY : code || reason || 1005);
        if (status == "failed") timedOut = finish(
          code > 1006 ? code : inactive ? INACTIVITY : (!lost && !code && reason) || 4007);
      }),
      end: safe((code, details) => {
        if (over) begin();
        finish(code, details);
      }),
    };
    const follow = {
      streampixel(app) {
        const stream = app.reconnectStream || app;
        const player = app.pixelStreaming || app.appStream?.stream || app;
        const listen = (type, f) => player.addEventListener?.(type, safe(f));
        if (stream.on) {
          stream.on("state", api.state);
          listen("webRtcConnected", () => lost || connected());
          listen("webRtcFailed", () => lost || api.state({ status: "failed" }));
        } else {
          for (const type in STATES) on(player, type, ({ data }) => api.state({
            // The server's text is the reason only if the player does not reconnect.
            status: STATES[type], reason: data?.allowClickToReconnect && data.eventString,
          }));
          // The page called disconnect().
          listen("streamDisconnect", () => began && finish(1000));
        }
        listen("afkWarningActivate", () => idle = 1);
        listen("afkWarningDeactivate", () => idle = 0);
        listen("afkTimedOut", () => finish(INACTIVITY));
      },
      frame(frame, origin = "https://share.streampixel.io") {
        const find = () => frame.nodeType ? [frame] : document.querySelectorAll(frame);
        const look = () => {
          const [first, second] = find();
          if (second || followed?.isConnected && followed !== first) warnSecond();
          // An element may be missing until the page is loaded; a wrong argument throws at once.
          if (!first && document.readyState == "complete") warnNothing();
          followed = first;
        };
        look();
        on(window, "load", look);
        on(window, "message", (e) => {
          const { type, code, reason } = e.data;
          if (e.origin !== origin || e.source !== find()[0].contentWindow || type !== "stream-state") return;
          // Some versions of the player misspell the value.
          const value = e.data.value.replace("disconnectd", "disconnected");
          const status = { loadingComplete: "connected", restricted: "disconnected" }[value] || value;
          if (/^afk/.test(value)) idle = value == "afkWarning";
          api.state({ status, code: code || (!reason && (lost ? 4007 : value)), reason });
        });
      },
      socket(socket) {
        if (socket.readyState === 1) connected();
        on(socket, "open", connected);
        on(socket, "close", (e) => closed(e.code));
      },
    };
    for (const name in follow) api[name] = safe(follow[name], warnNothing);
    return api;
  });

  const turn = (live) => {
    sessions.forEach((end) => end(live));
    flush(!live);
  };
  // Another page sends ends that nothing renews.
  setInterval(safe(() => turn(++ticks)), 3e4);
  // `persisted` may be wrong: pages with WebRTC are discarded.
  on(window, "pagehide", () => turn(0));
  on(window, "online", () => flush(retryAt = 0));

  const api = window.SessionEndCollector = session();
  api.session = session;
  api.start = safe((config) => {
    if (url) return;
    if (!config.key) throw 0;
    const source = config.ingest ? config.ingest + "/v1/" : script.src;
    url = source.match(/.*?(?=\/?\/v1\/)/)[0] + "/v1/beacons/" + config.key;
    labels = config.labels;
    recovery = (config.window > 0 ? config.window : 60) * 1e3;
    if (config.frame) api.frame(config.frame, config.origin);
    flush();
  }, warn("start() needs a key, and ingest in a module or a copy"));
  startTag(api);
})();
