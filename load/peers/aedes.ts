/** aedes on a port of its own, as its documentation starts it. Prints {"msg":"ready","mqtt":"host:port"}. */
import { createServer } from "node:net";
import { Aedes } from "aedes";

const broker = await Aedes.createBroker();
const server = createServer({ noDelay: true }, broker.handle);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  console.log(JSON.stringify({ msg: "ready", mqtt: `127.0.0.1:${port}` }));
});
