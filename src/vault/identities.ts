// Identity files, as `age -i` reads them: one secret key (AGE-SECRET-KEY-1…) a line; lines that begin with # are comments.
// While an identity is being replaced, comments mark the new one and the old one, so that the command can be repeated.
import { recipientOf } from './age.ts'

/** `new` and `old` during a replacement only; `kept`: everything else, which stays whatever is replaced. */
type IdentityRole = 'kept' | 'new' | 'old'

export interface Identity {
  /** The secret key itself. */
  readonly key: string
  /** `age1…`: what files are encrypted for, and the name of the identity for people. */
  readonly recipient: string
  readonly role: IdentityRole
}

export type ParsedIdentities =
  | { readonly kind: 'parsed'; readonly identities: readonly Identity[] }
  /** A predicate, to follow the name of the file. */
  | { readonly kind: 'faulty'; readonly message: string }

const markOf = {
  new: '# new identity: rotate-identity is under way',
  old: '# old identity: rotate-identity removes it when it is done',
} as const

/** Reads an identity file. Its lines appear in no message. */
export async function parseIdentities(text: string): Promise<ParsedIdentities> {
  const identities: Identity[] = []
  let role: IdentityRole = 'kept'
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.trim()
    if (content === '') continue
    if (content.startsWith('#')) {
      role = content === markOf.new ? 'new' : content === markOf.old ? 'old' : role
      continue
    }
    const recipient = await recipientOf(content)
    if (recipient === undefined) {
      return { kind: 'faulty', message: `has no age identity (AGE-SECRET-KEY-1…) in line ${index + 1}` }
    }
    identities.push({ key: content, recipient, role })
    role = 'kept'
  }
  if (identities.length === 0) return { kind: 'faulty', message: 'has no age identity (AGE-SECRET-KEY-1…)' }
  return { kind: 'parsed', identities }
}

/** The text of an identity file. */
export function renderIdentities(identities: readonly Identity[]): string {
  return identities
    .flatMap(({ key, recipient, role }) => [
      ...(role === 'kept' ? [] : [markOf[role]]),
      `# opens files for ${recipient}`,
      key,
    ])
    .join('\n')
    .concat('\n')
}
