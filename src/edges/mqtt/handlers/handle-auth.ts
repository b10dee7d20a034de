/** AUTH of a client that is connected (MQTT 5.0, 4.12.1): it proves itself once more, and goes on meanwhile. */
import type { Client } from "../client.js";
import { Authentication } from "../connect/authentication.js";
import { decodeAuth, encodeAuth } from "../packets/auth.js";
import { Reason } from "../packets/reason-codes.js";
import { PacketRefused } from "../refusal.js";

/** Throws `PacketRefused`: another method than that of CONNECT (MQTT-4.12.1-1), a beginning in the middle, a middle without a beginning. */
export function handleAuth(client: Client, bytes: Buffer, start: number, end: number): void {
  const { reason, method, data } = decodeAuth(bytes, start, end);
  if (method !== client.connect.authMethod) {
    throw new PacketRefused("protocol_violation", "AUTH with another method than CONNECT (MQTT-4.12.1-1)");
  }
  const isBeginning = reason === Reason.ReAuthenticate;
  if (isBeginning !== (client.reauthentication === null)) {
    throw new PacketRefused("protocol_violation", "AUTH out of turn");
  }
  client.reauthentication ??= begin(client, method);
  client.reauthentication.hear(data);
}

function begin(client: Client, method: string): Authentication {
  const { connection, connect, id: clientId, context } = client;
  const { userName } = connect;
  const subject = { clientId, userName, password: null, address: connection.address, isAgain: true };
  const conversation = context.enhancedAuthentication.begin(method, subject);
  if (conversation === null) {
    throw new PacketRefused("bad_authentication_method", "an authentication method that is not served");
  }
  const onSuccess = (data: Uint8Array | null): void => {
    client.reauthentication = null;
    client.answer(encodeAuth(Reason.Success, method, data));
  };
  return new Authentication({ connection, conversation, method, onSuccess });
}
