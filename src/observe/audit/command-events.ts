// The security events that commands report: a closed list, so that a command cannot write whatever it likes into the log.
import { membersOf } from '../../bytes/json/parse.ts'
import type { AuditEvent } from './chain.ts'

const severities = {
  'key.created': 'info',
  'key.changed': 'info',
  'key.rotated': 'info',
  'key.enabled': 'info',
  'key.disabled': 'warn',
  'key.revoked': 'warn',
  'key.deleted': 'warn',
  'key.master_set': 'info',
  'key.published': 'info',
  'secret.set': 'info',
  'secret.removed': 'warn',
  'secret.identity_rotated': 'info',
  'secret.recovery_replaced': 'info',
  'usage.erased': 'info',
  'usage.loss_accepted': 'warn',
} as const satisfies Readonly<Record<string, AuditEvent['severity']>>

/** `llm_gateway.` stands before it in the log. */
type CommandEventName = keyof typeof severities

const attributeNames = ['key.id', 'key.secret', 'secret.name'] as const

/** By name; ids and names of the configuration, never a key. */
type CommandAttributes = Readonly<Partial<Record<(typeof attributeNames)[number], string>>>

export interface CommandEvent {
  readonly name: CommandEventName
  readonly outcome: AuditEvent['outcome']
  /** Who ran the command: `user:ann`. A number in the log. */
  readonly actor: string
  /** Whom it is about: `key:ann`. A number in the log. */
  readonly client?: string
  readonly attributes: CommandAttributes
}

/** Names and ids are shorter. */
const maxText = 200

/** Undefined for what no command of this version sends. */
export function readCommandEvent(input: unknown): CommandEvent | undefined {
  const { name, outcome, actor, client, attributes } = membersOf(input)
  const given = Object.entries(membersOf(attributes))
  const isKnown = (each: string) => (attributeNames as readonly string[]).includes(each)
  const isValid =
    typeof name === 'string' &&
    Object.hasOwn(severities, name) &&
    (outcome === 'success' || outcome === 'failure') &&
    isShort(actor) &&
    (client === undefined || isShort(client)) &&
    given.every(([each, value]) => isKnown(each) && isShort(value))
  if (!isValid) return undefined
  return {
    name: name as CommandEventName,
    outcome,
    actor,
    ...(isShort(client) && { client }),
    attributes: Object.fromEntries(given),
  }
}

function isShort(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxText
}

/** @param numberOf the number that stands for the name of a person in the log. */
export function auditEventOf(
  { name, outcome, actor, client, attributes }: CommandEvent,
  numberOf: (name: string) => number,
): AuditEvent {
  return {
    name: `llm_gateway.${name}`,
    severity: outcome === 'failure' ? 'error' : severities[name],
    outcome,
    attributes: {
      ...attributes,
      ...(client !== undefined && { client: numberOf(client) }),
      actor: numberOf(actor),
      via: 'cli',
    },
  }
}
