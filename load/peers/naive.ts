/**
 * The naive Node app that the HTTP benchmark compares with: a POST loops over all SSE clients of the topic, with a
 * JSON.stringify and a res.write for each. Nothing is stored. Same paths as Jangada, so that one load serves both.
 * Prints {"msg":"ready","http":"host:port"}.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const clientsByTopic = new Map<string, Set<ServerResponse>>();
let lastId = 0;

function subscribe(topic: string, response: ServerResponse): void {
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    connection: "keep-alive",
  });
  response.write(": hello\n\n");
  const clients = clientsByTopic.get(topic) ?? new Set();
  clientsByTopic.set(topic, clients);
  clients.add(response);
  response.on("close", () => clients.delete(response));
}

function publish(topic: string, body: string, response: ServerResponse): void {
  const data: unknown = JSON.parse(body);
  lastId += 1;
  const id = lastId;
  for (const client of clientsByTopic.get(topic) ?? []) {
    client.write(`id: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  }
  response.writeHead(201, { "content-type": "application/json" });
  response.end(JSON.stringify({ topic, id: String(id) }));
}

function handle(request: IncomingMessage, response: ServerResponse): void {
  const [, topics, topic, action] = (request.url ?? "").split("/");
  if (topics !== "topics" || topic === undefined) {
    response.writeHead(404).end();
  } else if (request.method === "GET" && action === "stream") {
    subscribe(topic, response);
  } else if (request.method === "POST" && action === "messages") {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => publish(topic, body, response));
  } else {
    response.writeHead(405).end();
  }
}

const server = createServer(handle);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  console.log(JSON.stringify({ msg: "ready", http: `127.0.0.1:${port}` }));
});
