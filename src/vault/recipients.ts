// For whom secrets are encrypted: a file beside them, as `age -R` reads it, one recipient (age1…) a line. Comments mark the
// two that the gateway's commands write; people may add more, which are kept.
import { isRecipient } from './age.ts'

export const recipientsFile = 'recipients.txt'

/** `identity`: the gateway's own; `recovery`: the one on paper; `other`: added by people. */
export type RecipientRole = 'identity' | 'recovery' | 'other'

export interface Recipient {
  /** `age1…` */
  readonly recipient: string
  readonly role: RecipientRole
}

export type ParsedRecipients =
  | { readonly kind: 'parsed'; readonly recipients: readonly Recipient[] }
  /** A predicate, to follow the name of the file. */
  | { readonly kind: 'faulty'; readonly message: string }

const header = [
  '# The secrets in this directory are encrypted for each of these. More may be added below; they apply',
  '# to a secret when it is set again, and to all with the next rotate-identity or recovery.',
]

const markOf = { identity: '# identity of the gateway', recovery: '# recovery identity, on paper' } as const

export async function parseRecipients(text: string): Promise<ParsedRecipients> {
  const recipients: Recipient[] = []
  let role: RecipientRole = 'other'
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.trim()
    if (content === '') continue
    if (content.startsWith('#')) {
      role = content === markOf.identity ? 'identity' : content === markOf.recovery ? 'recovery' : 'other'
      continue
    }
    if (!(await isRecipient(content))) {
      return { kind: 'faulty', message: `has no age recipient (age1…) in line ${index + 1}` }
    }
    recipients.push({ recipient: content, role })
    role = 'other'
  }
  if (recipients.length === 0) return { kind: 'faulty', message: 'has no age recipient (age1…)' }
  return { kind: 'parsed', recipients }
}

export function renderRecipients(recipients: readonly Recipient[]): string {
  return [
    ...header,
    ...recipients.flatMap(({ recipient, role }) => [role === 'other' ? '# added' : markOf[role], recipient]),
    '',
  ].join('\n')
}

/** The same recipients with another one in this role. */
export function withRecipient(
  recipients: readonly Recipient[],
  role: Exclude<RecipientRole, 'other'>,
  recipient: string,
): Recipient[] {
  const others = recipients.filter((each) => each.role !== role && each.recipient !== recipient)
  const added = { recipient, role }
  return role === 'identity'
    ? [added, ...others]
    : [
        ...others.filter((each) => each.role === 'identity'),
        added,
        ...others.filter((each) => each.role !== 'identity'),
      ]
}

/** The recipient in a role; undefined if there is none. */
export function recipientIn(
  recipients: readonly Recipient[],
  role: Exclude<RecipientRole, 'other'>,
): string | undefined {
  return recipients.find((each) => each.role === role)?.recipient
}

/** For people: `age1… (identity), age1… (recovery)`. */
export function describeRecipients(recipients: readonly Recipient[]): string {
  return recipients.map(({ recipient, role }) => `${recipient} (${role})`).join(', ')
}
