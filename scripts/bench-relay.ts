/** The hub's relay alone, as a process of its own: what the bench compares with configurable-http-proxy. `PORT UPSTREAM_PORT` */
import { createServer } from "node:http";
import { createAgent, refuseUpgrade, relayRequest, relayUpgrade } from "../src/core/relay/relay.ts";

const [port = "0", upstream = "0"] = process.argv.slice(2);
const agent = createAgent();
const target = (path: string) => ({
  agent,
  host: "127.0.0.1",
  port: Number(upstream),
  path,
  headersOut: (headers: [string, string][]) => headers,
  headersBack: (headers: [string, string][]) => headers,
});
createServer((req, res) =>
  relayRequest(req, res, target(req.url ?? "/"), (error) => res.writeHead(502).end(error.code)),
)
  .on("upgrade", (req, socket, head) =>
    relayUpgrade(req, socket, head, target(req.url ?? "/"), (error) =>
      refuseUpgrade(socket, 502, error.code),
    ),
  )
  .listen(Number(port), "127.0.0.1");
