// Which parts of the gateway do not work while calls go on, by the events that begin and end that.
import { bounded } from '../../platform/bounded-text.ts'
import type { GatewayEvent } from '../events.ts'
import type { DegradedPart } from './gateway-state.ts'

type Kind = GatewayEvent['kind']

/** What begins it. Of an event that nothing ends, an hour without another one does. */
const begun: Partial<Record<Kind, DegradedPart & { readonly lasts?: true }>> = {
  alerts_not_saved: notSaved('alerts'),
  audit_unavailable: {
    part: 'audit log',
    severity: 'warning',
    what: 'Security events are not recorded.',
    fix: 'Run llm-gateway doctor.',
    lasts: true,
  },
  budgets_lost: {
    part: 'budgets',
    severity: 'critical',
    what: 'What was spent of budgets is not known: calls that have one are refused.',
    fix: 'Run llm-gateway doctor.',
    lasts: true,
  },
  budgets_not_saved: notSaved('budgets'),
  clock_not_set: {
    part: 'clock',
    severity: 'warning',
    what: 'The clock of the machine is not set: keys that expire are refused.',
    fix: 'Set it.',
  },
  control_unavailable: {
    part: 'commands',
    severity: 'info',
    what: 'Commands cannot reach the gateway.',
    fix: 'Give the service a runtime directory, then restart it.',
    lasts: true,
  },
  formats_not_saved: notSaved('formats'),
  model_lists_not_saved: notSaved('lists of models'),
  identity_keys_failed: {
    part: 'identities',
    severity: 'warning',
    what: 'The keys of an issuer of identities cannot be read.',
    fix: 'Run llm-gateway doctor.',
    lasts: true,
  },
  identity_keys_not_saved: notSaved('identities'),
  keys_missing: {
    part: 'keys',
    severity: 'critical',
    what: 'There is no key file: no key is valid.',
    why: '',
    fix: 'Create a key with llm-gateway key create, or bring the file back.',
    lasts: true,
  },
  keys_awaited: {
    part: 'keys',
    severity: 'critical',
    what: 'No signed list of keys has come from the store: no key is valid.',
    fix: 'Run llm-gateway key publish on the machine that has sign_keys_with.',
    lasts: true,
  },
  key_file_not_used: {
    part: 'key file',
    severity: 'info',
    what: 'This machine has a key file, and its keys are those that another machine signs.',
    fix: 'Remove the key file, or set sign_keys_with where it is to count.',
    lasts: true,
  },
  keys_not_accepted: {
    part: 'keys',
    severity: 'warning',
    what: 'A list of keys was not accepted: the keys before it stay in force.',
    fix: 'Run llm-gateway doctor, and then llm-gateway key publish on the machine that signs.',
  },
  keys_not_acknowledged: notSaved('keys'),
  keys_not_kept: notSaved('keys'),
  keys_not_stored: {
    part: 'shared keys',
    severity: 'warning',
    what: 'The list of keys in force here cannot be put into the store: other machines may not get it.',
    fix: 'Look for keys_not_stored in the log, and run llm-gateway doctor.',
    lasts: true,
  },
  keys_refused: {
    part: 'keys',
    severity: 'warning',
    what: 'The key file was refused: the keys before it stay in force.',
    fix: 'Run llm-gateway doctor, and mend the file.',
    lasts: true,
  },
  ledger_off: {
    part: 'ledger',
    severity: 'warning',
    what: 'Calls are not recorded in the ledger.',
    fix: 'Run llm-gateway doctor.',
    lasts: true,
  },
  ledger_waiting: {
    part: 'ledger',
    severity: 'warning',
    what: 'The ledger cannot be written: its rows wait in memory.',
    fix: 'Make room on its disk, or run llm-gateway usage verify.',
    lasts: true,
  },
  limits_not_saved: notSaved('limits'),
  limits_store_down: {
    part: 'limits store',
    severity: 'warning',
    what: 'The store of limits that gateways share cannot be used: each grants what rate_limit_settings.store.when_unavailable says.',
    fix: 'Run llm-gateway doctor.',
    lasts: true,
  },
  machines_in_conflict: {
    part: 'machines',
    severity: 'warning',
    what: 'Machines share the store of limits and do not count together, or not by the same limits: more may be used than some of them allow.',
    fix: 'Run llm-gateway machines: it names them, and says what to change.',
    lasts: true,
  },
  log_transport_failed: {
    part: 'log',
    severity: 'warning',
    what: 'The transport of the log has failed: lines go to standard output.',
    fix: 'Mend logging.transport, then restart the gateway.',
    lasts: true,
  },
  owners_not_kept: notSaved('owners of objects'),
  starter_lost: {
    part: 'model servers',
    severity: 'warning',
    what: 'Model servers can be neither started nor stopped: the process that does so does not answer.',
    fix: 'Run llm-gateway systemd install, then systemctl status llm-gateway-services.socket.',
    lasts: true,
  },
  workers_missing: {
    part: 'threads',
    severity: 'warning',
    what: 'Fewer threads serve than server.workers asks for.',
    fix: 'Run llm-gateway doctor.',
    lasts: true,
  },
}

/** Of `keys_missing`, where nobody needs a key and none was there. */
const noKeyYet: DegradedPart & { readonly lasts: true } = {
  part: 'keys',
  severity: 'info',
  what: 'Keys are optional, and there is none: programs of one user cannot be told apart.',
  why: '',
  fix: 'Create a key with llm-gateway key create, or set keys.mode to off.',
  lasts: true,
}

/** The part that works again. */
const ended: Partial<Record<Kind, string>> = {
  audit_head: 'audit log',
  identity_keys_loaded: 'identities',
  keys_loaded: 'keys',
  keys_stored: 'shared keys',
  ledger_writing: 'ledger',
  limits_store_up: 'limits store',
  machines_agree: 'machines',
  starter_found: 'model servers',
}

function notSaved(what: string): DegradedPart {
  return {
    part: 'state directory',
    severity: 'info',
    what: `A file of the state directory cannot be written (${what}): a restart would forget what is in it.`,
    fix: 'Make room on its disk, and let the gateway write there.',
  }
}

const hourMs = 3_600_000
/** In characters. */
const maxReasonLength = 300

export class Degraded {
  readonly #parts = new Map<string, { readonly part: DegradedPart; readonly untilMs: number }>()

  /** @param nowMs of a monotonic clock. */
  receive(event: GatewayEvent, nowMs: number): void {
    const end = ended[event.kind]
    if (end !== undefined) this.#parts.delete(end)
    else if (event.kind === 'notification_failed') this.#notify(event, nowMs)
    else if (event.kind === 'notification_sent') this.#parts.delete(nameOf(event.sink))
    else if (event.kind !== 'ledger_off' || event.is_usual !== true) {
      const isUsual = event.kind === 'keys_missing' && event.is_usual === true
      const start = isUsual ? noKeyYet : begun[event.kind]
      if (start === undefined) return
      const { lasts, ...texts } = start
      const reason = 'reason' in event ? event.reason : undefined
      const part = { ...texts, detail: reason && bounded(reason, maxReasonLength) }
      this.#parts.set(part.part, { part, untilMs: lasts === true ? Infinity : nowMs + hourMs })
    }
  }

  parts(nowMs: number): DegradedPart[] {
    for (const [name, { untilMs }] of this.#parts) if (untilMs <= nowMs) this.#parts.delete(name)
    return Array.from(this.#parts.values(), ({ part }) => part)
  }

  /** Not removed by the end of the attempts: what was given up is missing. */
  #notify({ sink, reason }: { readonly sink: string; readonly reason: string }, nowMs: number): void {
    const part: DegradedPart = {
      part: nameOf(sink),
      severity: 'info',
      what: `Messages cannot be sent to ${sink}.`,
      detail: bounded(reason, maxReasonLength),
      fix: `Run llm-gateway notify test ${sink}.`,
    }
    this.#parts.set(part.part, { part, untilMs: nowMs + 4 * hourMs })
  }
}

function nameOf(sink: string): string {
  return `notify.sinks.${sink}`
}
