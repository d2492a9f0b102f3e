/** What must be closed and what must be said when the program ends, registered by modules that the eager path does not load. */
/** Exit codes of signals lie above it. */
const SIGNALLED = 128;

/** What a person is told whose signal ends the program from here on. */
export function ifInterrupted(hint: string): void {
  process.once('exit', (code) => {
    if (code > SIGNALLED) process.stderr.write(`fit: hint: ${hint}\n`);
  });
}

const closers = new Set<() => void>();

export function atEnd(close: () => void): void {
  closers.add(close);
}

export function closeAll(): void {
  for (const close of closers) close();
  closers.clear();
}
