/** What `reconnectStream.on("state", …)` of Streampixel's Web SDK reports. */
export interface StreamState {
  status: string;
  code?: number | string;
  reason?: string;
}

/** An emitter as the Web SDK has it. */
export interface ReconnectStream {
  on(event: "state", listener: (state: StreamState) => void): unknown;
}

/** What `await StreamPixelApplication(…)` gives. */
export interface StreamPixelApp {
  reconnectStream: ReconnectStream;
  pixelStreaming?: {
    addEventListener(type: "webRtcConnected", listener: () => void): unknown;
  };
}

export interface EndDetails {
  /** Seconds from connected to the end, when not the collector's own count. */
  duration_seconds?: number;
  /** Labels of this end only. */
  labels?: Record<string, string>;
}

/** One session after the other: each begins with a connection and has one end. */
export interface Session {
  /** The stream plays: begins a session, or turns a drop into an interruption. */
  connected(): void;
  /** A state as `reconnectStream` reports it. */
  state(state: StreamState): void;
  /** Follow a Streampixel application, or its `reconnectStream` alone. */
  streampixel(app: StreamPixelApp | ReconnectStream): void;
  /** Follow a Streampixel iframe, an element or a CSS selector; other origins are not listened to. */
  frame(frame: HTMLIFrameElement | string, origin?: string): void;
  /** Follow a WebSocket. */
  socket(socket: WebSocket): void;
  /** The session has ended, each call one end; without a code it is the system's normal end. */
  end(code?: number | string, details?: EndDetails): void;
}

export interface Config {
  /** The site's public key. */
  key: string;
  /** Where the exporter's ingest listener is, when the script was not loaded from there. */
  ingest?: string;
  /** Labels of every event. */
  labels?: Record<string, string>;
  /** Seconds in which a drop may recover, 60 when left out. */
  window?: number;
  /** A Streampixel iframe to follow. */
  frame?: HTMLIFrameElement | string;
  /** The iframe's origin, `https://share.streampixel.io` when left out. */
  origin?: string;
}

export interface Collector extends Session {
  /** Begin to send; a second call changes nothing. */
  start(config: Config): void;
  /** A further session beside the page's first, with labels of its own. */
  session(labels?: Record<string, string>): Session;
}

declare global {
  const SessionEndCollector: Collector;
  interface Window {
    /** Not there when the script was not loaded. */
    SessionEndCollector?: Collector;
  }
}
