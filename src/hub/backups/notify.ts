/** Tells alarms outside: to a webhook and by this machine's sendmail, once for each change of what is wrong. */
import { existsSync } from "node:fs";
import type { Alarm } from "../../contract/api-backups.ts";
import { messageOf } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { logger } from "../../core/log.ts";
import type { Settings } from "../settings/settings.ts";

const log = logger("alarms");
/** The same program by whatever mail system there is. */
const SENDMAIL = ["/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/msmtp"];
const TIMEOUT_MS = 15_000;

/** A mail as sendmail takes it. Pure. */
export function mailOf(hub: string, to: string, alarms: readonly Alarm[]): string {
  const subject =
    alarms.length === 0
      ? "all is well again"
      : `${alarms.length} backup alarm${alarms.length === 1 ? "" : "s"}`;
  const line = (text: string) => text.replaceAll(/[\r\n]+/g, " ");
  const body = alarms.flatMap((one) => [
    line(one.title),
    ...(one.why ? [`  why: ${line(one.why)}`] : []),
    ...(one.fix ? [`  fix: ${line(one.fix)}`] : []),
    "",
  ]);
  return [
    `To: ${to}`,
    `Subject: [${line(hub)}] ${subject}`,
    "Content-Type: text/plain; charset=utf-8",
    "",
    ...body,
  ].join("\n");
}

/** What tells one state of alarms from another: numbers in titles grow by themselves. Pure. */
export function signature(alarms: readonly Alarm[]): string {
  return alarms
    .map((one) => `${one.code} ${one.project_id ?? ""} ${one.severity}`)
    .sort()
    .join("\n");
}

export function createNotifier(settings: Pick<Settings, "get">, programs: readonly string[] = SENDMAIL) {
  let told: string | undefined;
  return async function notify(alarms: readonly Alarm[]): Promise<void> {
    const now = signature(alarms);
    // A hub that starts well has nothing to say.
    if (now === (told ?? "")) {
      told = now;
      return;
    }
    const [hub, webhook, mail] = [
      await settings.get("hub_name"),
      await settings.get("alarm_webhook"),
      await settings.get("alarm_mail"),
    ];
    let delivered = true;
    if (webhook !== "") {
      try {
        const response = await fetch(webhook, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ hub, alarms }),
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        if (!response.ok) throw new Error(`it answered ${response.status}`);
      } catch (error) {
        delivered = false;
        log.error("the webhook could not be told of alarms", { why: messageOf(error) });
      }
    }
    if (mail !== "") {
      const program = programs.find((path) => existsSync(path));
      const sent = program
        ? await exec([program, "-t", "-i"], { stdin: mailOf(hub, mail, alarms), timeout: TIMEOUT_MS })
        : { code: 127, stderr: `there is no ${programs.join(", no ")}` };
      if (sent.code !== 0) {
        delivered = false;
        log.error("no mail of alarms could be sent", { why: sent.stderr.trim() });
      }
    }
    // Not delivered: the next round tries again.
    if (delivered) told = now;
  };
}
