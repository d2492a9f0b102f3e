/** CMS signatures, whole: build them (signed-data.ts) and verify them (cms-verify.ts). */
export { type CmsFault, type CmsResult, type VerifiedSigner, verifySignedData } from './cms-verify.ts';
export { assembleSignedData, MAX_SIGNERS, P7S_MAX_BYTES, type Signer, signedAttributes } from './signed-data.ts';
