import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "@xterm/xterm/css/xterm.css";
import "./styles/tokens.css";
import "./styles/shell.css";
import "./styles/blocks.css";
import "./styles/lists.css";
import "./styles/workspace.css";
import "./styles/people.css";
import "./styles/files.css";
import "./styles/backups.css";
import "./styles/narrow.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { queryClient } from "./api.ts";
import { App } from "./app.tsx";
import { Dialogs } from "./components/dialogs.tsx";
import { addFonts } from "./fonts.ts";
import { theme } from "./theme.ts";

addFonts();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <Notifications position="bottom-right" autoClose={6000} />
      <QueryClientProvider client={queryClient}>
        <App />
        <Dialogs />
      </QueryClientProvider>
    </MantineProvider>,
  );
}
