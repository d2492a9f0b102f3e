/** What must be closed before the program can end, registered by modules that the eager path does not load. */
const closers = new Set<() => void>();

export function atEnd(close: () => void): void {
  closers.add(close);
}

export function closeAll(): void {
  for (const close of closers) close();
  closers.clear();
}
