/**
 * CONNECT (MQTT 3.1.1 and 5.0, 3.1): who is there, whether it may stay, and the session that it gets. Nothing is said before the group
 * has committed that the session is this connection's; until then what the client sends waits.
 */
import { limits } from "../../../limits.js";
import type { Cancel } from "../../../runtime/clock.js";
import type { CommandResult, Opened } from "../../../state-machine/effects.js";
import type { Connection } from "../connection.js";
import { Hold } from "../hold.js";
import { decodeAuth } from "../packets/auth.js";
import { unsupportedVersionConnack } from "../packets/connack.js";
import { type ConnectPacket, decodeConnect, readLevel } from "../packets/connect.js";
import { checkHeader, checkLength } from "../packets/fixed-header.js";
import { LEVEL_5, PacketType, type ProtocolLevel, packetType } from "../packets/protocol.js";
import { Reason } from "../packets/reason-codes.js";
import { PacketRefused } from "../refusal.js";
import type { Refusal, Speaker } from "../speaker.js";
import { accept } from "./accept.js";
import { Authentication } from "./authentication.js";
import { refusalConnack } from "./farewells.js";

/** What follows "jangada-" in an id that the server assigns. */
const ASSIGNED_ID_CHARACTERS = 20;

export class Stranger implements Speaker {
  readonly clientId = undefined;
  readonly #connection: Connection;
  readonly #cancelTimeout: Cancel;
  #level: ProtocolLevel | null = null;
  #connect: ConnectPacket | null = null;
  #clientId = "";
  #authentication: Authentication | null = null;
  /** The method's last word, for CONNACK. */
  #authData: Uint8Array | null = null;
  /** How many bytes said the length of the packet that comes: whether they were too many depends on the level. */
  #lengthBytes = 0;
  #isOpening = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#cancelTimeout = connection.context.clock.after(limits.connectTimeoutMs, () =>
      connection.refuse("connect_timeout", "no complete CONNECT in time"),
    );
  }

  get isIdle(): boolean {
    return !this.#isOpening;
  }

  header(first: number, remainingLength: number, lengthBytes: number): void {
    const type = packetType(first);
    if (this.#connect === null && type !== PacketType.Connect) {
      const detail = "the first packet is not CONNECT (MQTT-3.1.0-1)";
      throw new PacketRefused("protocol_violation", detail, null);
    }
    if (this.#connect !== null && type !== PacketType.Auth && type !== PacketType.Disconnect) {
      throw new PacketRefused("protocol_violation", `packet type ${type} before CONNACK (MQTT-3.1.2-30)`);
    }
    const { payloadBytesMax } = this.#connection.context;
    checkHeader(this.#level ?? LEVEL_5, first, remainingLength, payloadBytesMax);
    this.#lengthBytes = lengthBytes;
  }

  frame(first: number, bytes: Buffer, start: number, end: number): void {
    if (packetType(first) === PacketType.Disconnect) this.#connection.close();
    else if (packetType(first) === PacketType.Auth) this.#handleAuth(bytes, start, end);
    else this.#handleConnect(bytes, start, end);
  }

  afterRead(): void {}

  flush(): void {}

  drained(): void {}

  farewell(refusal: Refusal): Buffer | null {
    return this.#level === null
      ? null
      : refusalConnack(this.#connection.context, this.#level, this.#connect, refusal);
  }

  ended(): void {
    this.#cancelTimeout();
  }

  /** Throws `PacketRefused` for what cannot be read, and for what is not served. */
  #handleConnect(bytes: Buffer, start: number, end: number): void {
    const connection = this.#connection;
    const { context, address } = connection;
    const level = readLevel(bytes, start, end);
    if (level === "older" || level === "unknown") {
      connection.reply(unsupportedVersionConnack(level));
      connection.refuse("unsupported_protocol_version", "a protocol level that is not served", null);
      return;
    }
    this.#level = level;
    checkLength(level, end - start, this.#lengthBytes);
    const connect = decodeConnect(level, bytes, start, end);
    this.#connect = connect;
    const { authMethod: method, userName, password } = connect;
    if ((connect.will?.payload.length ?? 0) > context.payloadBytesMax) {
      throw new PacketRefused("payload_too_large", "the will's payload");
    }
    this.#clientId =
      connect.clientId === "" ? `jangada-${context.random.tag(ASSIGNED_ID_CHARACTERS)}` : connect.clientId;
    if (method === null) {
      this.#open();
      return;
    }
    const subject = { clientId: this.#clientId, userName, password, address, isAgain: false };
    const conversation = context.enhancedAuthentication.begin(method, subject);
    if (conversation === null) {
      throw new PacketRefused("bad_authentication_method", "an authentication method that is not served");
    }
    const onSuccess = (data: Uint8Array | null): void => {
      this.#authData = data;
      this.#open();
    };
    this.#authentication = new Authentication({ connection, conversation, method, onSuccess });
    this.#authentication.hear(connect.authData);
  }

  /** The client goes on with its authentication, by the same method (MQTT-4.12.0-5). */
  #handleAuth(bytes: Buffer, start: number, end: number): void {
    const { reason, method, data } = decodeAuth(bytes, start, end);
    const authentication = this.#authentication;
    if (authentication === null || reason !== Reason.ContinueAuthentication) {
      throw new PacketRefused("protocol_violation", "AUTH that does not go on with anything");
    }
    if (method !== authentication.method) {
      throw new PacketRefused("protocol_violation", "AUTH with another method (MQTT-4.12.0-5)");
    }
    authentication.hear(data);
  }

  #open(): void {
    const connection = this.#connection;
    const { context } = connection;
    const connect = this.#connect;
    if (connect === null) return;
    this.#cancelTimeout();
    if (!context.clients.takePlace(this.#clientId, context.connectionsMax)) {
      connection.refuse("too_many_connections", `${context.connectionsMax} clients are connected`);
      return;
    }
    this.#isOpening = true;
    connection.hold(Hold.Opening);
    const { cleanStart, will } = connect;
    const expirySeconds = Math.min(connect.expirySeconds, context.sessionExpirySecondsMax);
    context.broker.submit(
      { kind: "open-session", clientId: this.#clientId, cleanStart, expirySeconds, will },
      (result) => {
        this.#isOpening = false;
        context.clients.givePlace();
        if (result.kind !== "opened") this.#notOpened(result);
        else connection.attempt(() => this.#opened(connect, expirySeconds, result));
      },
    );
  }

  #opened(connect: ConnectPacket, expirySeconds: number, opened: Opened): void {
    const connection = this.#connection;
    const { broker, closer } = connection.context;
    const session = broker.session(opened.session);
    const isPresent = session !== undefined && session.epoch === opened.epoch && session.owner !== null;
    if (isPresent && connection.isOpen) {
      const authData = this.#authData;
      const clientId = this.#clientId;
      accept({ connection, connect, clientId, expirySeconds, authData, opened, session });
    } else if (isPresent) {
      // It left before it was let in; a will that was taken has to be published all the same (MQTT-3.1.2-8).
      const of = { session: session.number, epoch: session.epoch };
      closer.close({ kind: "close-session", ...of, withWill: true, expirySeconds: null, sentThrough: 0 });
    } else {
      // By the same log entry that opened it. A DISCONNECT may not come before CONNACK.
      connection.refuse("session_displaced", "another connection came with the same client id", null);
    }
  }

  #notOpened(result: CommandResult): void {
    const code = result.kind === "failed" ? result.code : "internal";
    if (code !== "outcome_unknown") {
      this.#connection.refuse(code, "the session could not be opened");
      return;
    }
    this.#connection.context.lostOpens.add(this.#clientId);
    this.#connection.refuse(code, "the group did not answer in time", Reason.ServerUnavailable);
  }
}
