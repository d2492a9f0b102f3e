/** Containers as files: packed, read, taken out and shown, without a daemon or a home. */

export type { Certificate } from '../crypto/pki/certificate.ts';
export {
  ATTRIBUTES,
  type Attribute,
  type Demands,
  findPath,
  type Package,
  type PackageSigner,
  packageOf,
  pathOf,
} from '../exchange/container.ts';
export { createTurns, type Work } from './container-io.ts';
export { type Packed, pack, type Sealer } from './container-pack.ts';
export { demand, type Planned, plan } from './container-plan.ts';
export {
  type Container,
  closeContainer,
  compareAll,
  evidenceOf,
  openContainer,
  type Refused,
  readLeaf,
  receiptsOf,
  refusals,
  showAs,
  type Taken,
  takeOut,
} from './container-read.ts';
export { sealOnce } from './container-sealers.ts';
export { certificatesOf } from './timestamp.ts';
