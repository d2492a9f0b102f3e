// Proves once and leaves its pool open: nothing but the running job may keep this process alive.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createEscrowPool } from '../../src/crypto/escrow-pool.ts';
import { sample } from './escrow.ts';

const worker = pathToFileURL(resolve('dist/escrow-worker.js'));
const pool = createEscrowPool({ worker, idleMs: 3_600_000 });
const { label, witnesses, keys } = sample('signature');
void pool.prove(label, witnesses, keys).then((proof) => console.log(`proved ${proof.length}`));
