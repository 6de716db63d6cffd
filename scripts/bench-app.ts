/** The app that the benches ask: a short answer, 64 MiB at /big, and an echo to WebSockets. Argument: its port. */
const big = new Uint8Array(64 * 2 ** 20);

Bun.serve({
  port: Number(process.argv[2]),
  hostname: "127.0.0.1",
  fetch(request, server) {
    if (server.upgrade(request)) return undefined;
    return new Response(request.url.endsWith("/big") ? big : "hello");
  },
  websocket: {
    message(socket, message) {
      socket.send(message);
    },
  },
});
