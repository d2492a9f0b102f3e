/** libp2p's log interface, doing nothing: its own costs time on every stream, and what it prints is peer-supplied. */
import type { ComponentLogger, Logger } from '@libp2p/interface';

const nothing = (): void => {};

const silent: Logger = Object.assign((): void => {}, {
  error: nothing,
  trace: nothing,
  enabled: false,
  newScope: (): Logger => silent,
});

export const silentLogger: ComponentLogger = { forComponent: () => silent };
