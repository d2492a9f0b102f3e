/** Keys of encrypted folders as people give them: recipients, identity files. The age format is loaded only when one is given. */
const age = () => import('../crypto/age.ts');

/** The most bytes that are read of an identity file. */
export const MAX_IDENTITY_FILE_BYTES = 64 * 1024;

/** Whether the text is an age recipient that a folder can be encrypted to. */
export async function isRecipient(text: string): Promise<boolean> {
  return (await age()).isRecipient(text);
}

/** The identities of an identity file (`age-keygen`), or null if it is none. */
export async function identitiesIn(text: string): Promise<readonly string[] | null> {
  return (await age()).parseIdentities(text);
}

export async function maxRecipients(): Promise<number> {
  return (await age()).MAX_RECIPIENTS;
}
