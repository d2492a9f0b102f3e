/**
 * The daemon's logger: one JSON object a line, by pino, to stderr or to a file that only its owner may read. Apart from
 * log.ts, so that the CLI does not load pino.
 */
import { chmodSync } from 'node:fs';
import { destination, pino } from 'pino';
import { createLogger, type Logger, type LogLevel } from './log.ts';

export interface DaemonLog extends Logger {
  /** Opens the file again under its name, after it was moved away (log rotation). */
  reopen(): void;
}

/** Written synchronously: few lines, and the last ones before a crash matter most. */
export function createDaemonLog(options: { readonly level: LogLevel; readonly file?: string }): DaemonLog {
  const { level, file } = options;
  const to =
    file === undefined ? destination({ dest: 2, sync: true }) : destination({ dest: file, mkdir: true, sync: true });
  if (file !== undefined) chmodSync(file, 0o600);
  const out = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    to,
  );
  const logger = createLogger(level, (one, fields, message) => out[one](fields, message));
  return {
    ...logger,
    reopen() {
      if (file === undefined) return;
      to.reopen();
      chmodSync(file, 0o600);
    },
  };
}
