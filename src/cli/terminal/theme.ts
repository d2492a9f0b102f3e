/**
 * How things look: the terminal's own foreground and background, bold, dim, inverse, and of its sixteen colours those that
 * are legible on light and dark alike. Colour only repeats what words or marks say already.
 */

export interface Look {
  readonly bold?: boolean;
  readonly dimColor?: boolean;
  readonly inverse?: boolean;
  readonly italic?: boolean;
  readonly color?: string;
}

export interface Theme {
  readonly selected: Look;
  readonly strong: Look;
  readonly faint: Look;
  readonly good: Look;
  readonly warn: Look;
  readonly bad: Look;
  /** Text that came from a peer. */
  readonly peer: Look;
  readonly added: Look;
  readonly removed: Look;
}

const PLAIN: Theme = {
  selected: { inverse: true },
  strong: { bold: true },
  faint: { dimColor: true },
  good: {},
  warn: { bold: true },
  bad: { bold: true },
  peer: {},
  added: { bold: true },
  removed: { dimColor: true },
};

export function themeFor(hasColor: boolean): Theme {
  if (!hasColor) return PLAIN;
  return {
    ...PLAIN,
    good: { color: 'green' },
    warn: { color: 'magenta' },
    bad: { color: 'red', bold: true },
    peer: { color: 'cyan' },
    added: { color: 'green' },
    removed: { color: 'red' },
  };
}
