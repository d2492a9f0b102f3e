/** fit daemon start|stop|status, unlock, lock. */
import type { Command } from 'commander';
import { examples } from '../help.ts';
import { run } from '../run.ts';

export function registerDaemon(program: Command): void {
  const daemon = program.command('daemon').description('start, stop and watch the daemon that holds your keys');
  examples(
    daemon
      .command('start')
      .description('start the daemon, or unlock it if it runs; returns when it answers and listens')
      .option('--locked', 'start it locked, without asking for the passphrase'),
    'fit daemon start',
    'fit daemon start --passphrase-file pw --json',
  ).action(run(async () => (await import('../actions/daemon.ts')).start));
  examples(daemon.command('stop').description('stop the daemon and return when it is gone'), 'fit daemon stop').action(
    run(async () => (await import('../actions/daemon.ts')).stop),
  );
  examples(
    daemon.command('status').description('say whether the daemon runs, where it listens and whether it is locked'),
    'fit daemon status --json',
  ).action(run(async () => (await import('../actions/daemon.ts')).status));

  examples(
    program.command('unlock').description('unlock the keys, so that the daemon can sign until it is locked or stopped'),
    'fit unlock',
    'fit unlock --passphrase-command "secret-tool lookup service fit"',
  ).action(run(async () => (await import('../actions/daemon.ts')).unlock));
  examples(
    program.command('lock').description('lock the keys; messages are still received and kept'),
    'fit lock',
  ).action(run(async () => (await import('../actions/daemon.ts')).lock));
}
