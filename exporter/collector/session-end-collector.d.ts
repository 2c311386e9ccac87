/** A state that `reconnectStream` of Streampixel's Web SDK reports. */
export interface StreamState {
  status: string;
  code?: number | string;
  reason?: string;
}

/** The Web SDK's emitter of states. */
export interface ReconnectStream {
  on(event: "state", listener: (state: StreamState) => void): unknown;
}

/** Epic's PixelStreaming, or another emitter of its events. */
export interface PixelStreaming {
  addEventListener(type: any, listener: (event: any) => void): unknown;
}

/** The result of `await StreamPixelApplication(…)`. One of the two is enough. */
export interface StreamPixelApp {
  reconnectStream?: ReconnectStream;
  pixelStreaming?: PixelStreaming;
}

export interface EndDetails {
  /** Seconds from connected to the end, instead of the collector's own count. */
  duration_seconds?: number;
  /** Labels of this end only. */
  labels?: Record<string, string>;
}

/** Sessions, one after the other: each begins with a connection and has one end. */
export interface Session {
  /** The stream plays: begins a session, or turns a drop into an interruption. */
  connected(): void;
  /** A state as `reconnectStream` reports it. */
  state(state: StreamState): void;
  /** Follow a Streampixel application, or its `reconnectStream` or `pixelStreaming` alone. */
  streampixel(app: StreamPixelApp | ReconnectStream | PixelStreaming): void;
  /** Follow a Streampixel iframe, an element or a CSS selector. Messages from other origins are ignored. */
  frame(frame: HTMLIFrameElement | string, origin?: string): void;
  /** Follow a WebSocket. */
  socket(socket: WebSocket): void;
  /** The session has ended. Each call is one end; without a code it is the system's normal end. */
  end(code?: number | string, details?: EndDetails): void;
}

export interface Config {
  /** The site's public key. */
  key: string;
  /** Address of the ingest listener. Required in a module, and if the script is served from elsewhere. */
  ingest?: string;
  /** Labels of every event. */
  labels?: Record<string, string>;
  /** Seconds in which a drop may recover, by default 60. */
  window?: number;
  /** A Streampixel iframe to follow. */
  frame?: HTMLIFrameElement | string;
  /** The iframe's origin, by default `https://share.streampixel.io`. */
  origin?: string;
}

export interface Collector extends Session {
  /** Begin to send. A second call changes nothing. */
  start(config: Config): void;
  /** A further session beside the page's first, with labels of its own. */
  session(labels?: Record<string, string>): Session;
}

declare global {
  const SessionEndCollector: Collector;
  interface Window {
    /** Undefined if the script was not loaded. */
    SessionEndCollector?: Collector;
  }
}
