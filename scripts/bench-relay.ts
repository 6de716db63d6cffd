/** The hub's relay alone, as a process of its own: what the bench compares with configurable-http-proxy. `PORT UPSTREAM_PORT` */
import { createServer } from "node:http";
import { createAgent, relayRequest } from "../src/core/relay/relay.ts";

const [port = "0", upstream = "0"] = process.argv.slice(2);
const agent = createAgent();
createServer((req, res) =>
  relayRequest(
    req,
    res,
    {
      agent,
      host: "127.0.0.1",
      port: Number(upstream),
      path: req.url ?? "/",
      headersOut: (headers) => headers,
      headersBack: (headers) => headers,
    },
    (error) => res.writeHead(502).end(error.code),
  ),
).listen(Number(port), "127.0.0.1");
