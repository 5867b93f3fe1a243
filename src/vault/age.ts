// Encryption in the age format (https://age-encryption.org/v1), so that the `age` program opens what is stored here. The
// package is loaded when it is first needed: a gateway without stored secrets never loads it.

/** The largest file that is read: 16 KiB of a secret, encrypted and in text form, with many recipients. */
export const maxAgeFileBytes = 64 * 1024

const armorStart = '-----BEGIN AGE ENCRYPTED FILE-----'

const loadAge = () => import('age-encryption')

export type Decrypted =
  | { readonly kind: 'opened'; readonly value: string }
  /** None of the identities is one of its recipients. */
  | { readonly kind: 'for_others' }
  | { readonly kind: 'damaged' }

/** A new identity (X25519), as one line of an identity file. */
export async function generateIdentity(): Promise<string> {
  return (await loadAge()).generateX25519Identity()
}

/** The recipient (`age1…`) that an identity opens files of; undefined if the text is not an identity. */
export async function recipientOf(identity: string): Promise<string | undefined> {
  const { identityToRecipient } = await loadAge()
  try {
    return await identityToRecipient(identity)
  } catch {
    return undefined
  }
}

/** Whether a text is a recipient that files can be encrypted for. */
export async function isRecipient(text: string): Promise<boolean> {
  const { Encrypter } = await loadAge()
  try {
    new Encrypter().addRecipient(text)
    return true
  } catch {
    return false
  }
}

/** @returns an age file in its text form. @throws if one of them is not a recipient. */
export async function encrypt(value: string, recipients: readonly string[]): Promise<string> {
  const { armor, Encrypter } = await loadAge()
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  return armor.encode(await encrypter.encrypt(value))
}

/** Opens an age file in either of its forms, with the first identity that fits. Identities must be valid. */
export async function decrypt(file: Uint8Array, identities: readonly string[]): Promise<Decrypted> {
  const { armor, Decrypter } = await loadAge()
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity)
  try {
    const text = Buffer.from(file).toString('latin1')
    const bytes = text.trimStart().startsWith(armorStart) ? armor.decode(text) : file
    return { kind: 'opened', value: await decrypter.decrypt(bytes, 'text') }
  } catch (error) {
    // The package has no error of its own for this.
    const isForOthers = error instanceof Error && error.message.startsWith('no identity matched')
    return { kind: isForOthers ? 'for_others' : 'damaged' }
  }
}
