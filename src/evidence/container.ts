/** Containers as files: packed, read, taken out and shown, without a daemon or a home. */

export type { Lock, Opener } from '../crypto/age.ts';
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
export { type Keys, openSealed } from './container-open.ts';
export { pathIn, type Refused, refusals, type Taken, takeOut } from './container-out.ts';
export { type Packed, pack, type Sealer } from './container-pack.ts';
export { demand, type Planned, plan } from './container-plan.ts';
export {
  type Container,
  closeContainer,
  compareAll,
  type DemandsFor,
  evidenceOf,
  openContainer,
  type Place,
  readLeaf,
  receiptsOf,
} from './container-read.ts';
export { sealFolders } from './container-seal.ts';
export { sealOnce } from './container-sealers.ts';
export { showAs } from './container-show.ts';
export { certificatesOf } from './timestamp.ts';
