/** The first account. A token that only whoever started the hub knows; spent when the account is made. */
import { timingSafeEqual } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Account } from "../../contract/api.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { loadOrCreateSecret } from "../../core/secrets.ts";
import type { Accounts } from "./accounts.ts";

const FILE = "setup-token";
const TOKEN_BYTES = 18;

export interface Setup {
  status(): Promise<{ needed: boolean; made_by: string | null }>;
  /** null once setup is done. */
  token(): Promise<string | null>;
  run(
    token: string,
    account: { name: string; email: string; password: string },
    local: boolean,
  ): Promise<Account>;
}

export function createSetup(accounts: Accounts, secretsDir: string): Setup {
  let busy = false;
  const first = async () => (await accounts.admins())[0];
  const secret = () => loadOrCreateSecret(secretsDir, FILE, TOKEN_BYTES);
  return {
    async status() {
      const admin = await first();
      return { needed: admin === undefined, made_by: admin?.name ?? null };
    },
    async token() {
      return (await first()) === undefined ? secret().toString("base64url") : null;
    },
    async run(token, account, local) {
      const admin = await first();
      if (admin || busy) {
        throw new CodedError({
          code: "setup.done",
          title: "This hub is set up already",
          why: admin ? `${admin.name} made the admin account.` : "Somebody is making it this moment.",
          fix: "Sign in, or ask an admin for an invitation.",
          status: 410,
          exit: EX.NOPERM,
        });
      }
      const given = Buffer.from(token, "base64url");
      const right = secret();
      if (!local && (given.length !== right.length || !timingSafeEqual(given, right))) {
        throw new CodedError({
          code: "setup.wrong-token",
          title: "This is not the hub's setup token",
          fix: "Open the link that was printed when the hub started; start it again to see it anew.",
          status: 403,
          exit: EX.NOPERM,
        });
      }
      busy = true;
      try {
        const created = await accounts.createFirst(account);
        rmSync(join(secretsDir, FILE), { force: true });
        return created;
      } finally {
        busy = false;
      }
    },
  };
}
