/** Containers as files: packed, read, taken out and shown, without a daemon or a home. */
export {
  ATTRIBUTES,
  type Attribute,
  findPath,
  type Package,
  type PackageSigner,
  pathOf,
} from '../exchange/container.ts';
export type { Work } from './container-io.ts';
export { type Packed, pack, type Sealer } from './container-pack.ts';
export { demand, type Planned, plan } from './container-plan.ts';
export {
  type Container,
  closeContainer,
  openContainer,
  type Refused,
  readLeaf,
  refusals,
  showAs,
  signedStatements,
  type Taken,
  takeOut,
} from './container-read.ts';
export { sealOnce } from './container-sealers.ts';
