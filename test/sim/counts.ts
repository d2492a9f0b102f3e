/** States and transitions of each world. `FIT_UPDATE=1 npm test -- test/sim` prints this table anew; read the difference before it is taken over. */
export const COUNTS: Readonly<Record<string, readonly [states: number, transitions: number]>> = {};
