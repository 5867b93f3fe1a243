// Which line each event becomes, and how severe it is.
import { errorOf } from '../../platform/thrown.ts'
import { usdOfNano } from '../../prices/usd.ts'
import type { GatewayEvent, Sink } from '../events.ts'
import type { CallFacts } from '../events/calls.ts'
import type { Log } from '../log/log.ts'

export function logSink(log: Log): Sink {
  const wants = (kind: GatewayEvent['kind']) => kind !== 'attempt_ended'
  return { name: 'log', wants, receive: (event) => write(event, log) }
}

function write(event: GatewayEvent, log: Log): void {
  switch (event.kind) {
    case 'call_ended':
      writeCall(event.call, log)
      return
    case 'attempt_ended':
    case 'polled':
    case 'spans_counted':
    case 'target_cooled':
      return
    case 'refused': {
      const { kind: _, has_left: hasLeft = false, ...facts } = event
      const line = { event: event.code, ...facts }
      if (hasLeft) log.debug(line)
      else log.warn(line)
      return
    }
    case 'provider_checked': {
      const { provider, detail } = event
      if (event.is_reachable) log.info({ event: 'provider_reachable', provider, detail })
      else log.warn({ event: 'provider_unreachable', provider, detail })
      return
    }
    case 'audit_head': {
      const { kind, seq, mac } = event
      log.info({ event: kind, seq, mac })
      return
    }
    case 'audit_unavailable': {
      const { kind, reason } = event
      log.error({ event: kind, reason, message: 'Security events are not recorded; calls go on.' })
      return
    }
    case 'control_unavailable': {
      const { kind, reason } = event
      log.warn({ event: kind, reason, message: 'Commands cannot reach this gateway; calls go on.' })
      return
    }
    case 'discovery_failed': {
      const { kind, is_usual: isUsual, ...facts } = event
      if (isUsual) log.info({ event: kind, ...facts })
      else log.warn({ event: kind, ...facts })
      return
    }
    case 'service_starting':
    case 'service_stopped':
      if (event.calls === undefined) log.info(lineOf(event))
      else log.warn(lineOf(event))
      return
    case 'health_checked': {
      const { provider, reason } = event
      if (reason === undefined) log.info({ event: 'provider_healthy', provider })
      else log.warn({ event: 'provider_unhealthy', provider, reason })
      return
    }
    case 'reloaded': {
      const { kind, config, needs_restart } = event
      if (needs_restart.length === 0) log.info({ event: kind, config })
      else log.warn({ event: kind, config, needs_restart })
      return
    }
    case 'limits_loaded': {
      const line = { event: event.kind, ...event.fact }
      if (event.fact.kind === 'in_use') log.warn({ ...line, message: keepsNoCounts })
      else if (event.fact.kind === 'unreadable') log.warn(line)
      else log.info(line)
      return
    }
    case 'peer_users_unreadable': {
      const message =
        'Make /proc readable. Until then the gateway refuses all connections to its ports; with access.allowed_users: [any] it serves them, but trusts no proxy.'
      log.error({ event: event.kind, reason: event.cause.message, message })
      return
    }
    case 'worker_ended': {
      const { kind, worker, cause, restart_in_ms } = event
      log.error({ event: kind, worker, reason: cause.message, restart_in_ms, stack: cause.stack })
      return
    }
    case 'internal_error': {
      const { kind, error, where } = event
      const cause = errorOf(error)
      log.error({ event: kind, where, reason: cause.message, stack: cause.stack })
      return
    }
    case 'log_transport_failed':
      log.error({ event: event.kind, target: event.target, reason: event.cause.message })
      return
    case 'budgets_lost':
      log.error({ event: event.kind, reason: event.reason, message: 'Calls with a budget are refused.' })
      return
    case 'budgets_copy_used':
      log.warn({ event: event.kind, reason: event.reason, message: 'Budgets go on from their second copy.' })
      return
    case 'limits_store_down': {
      const line = { ...lineOf(event), message: withoutStore[event.when_unavailable] }
      if (event.when_unavailable === 'share') log.warn(line)
      else log.error(line)
      return
    }
    case 'limits_store_evicts':
      log.warn({ ...lineOf(event), message: evictsLimits })
      return
    case 'clock_jumped':
      log.warn({ ...lineOf(event), message: clockJumped })
      return
    case 'alerts_not_saved':
    case 'budgets_not_saved':
    case 'formats_not_saved':
    case 'identity_keys_not_saved':
    case 'keys_not_acknowledged':
    case 'keys_not_kept':
    case 'limits_not_saved':
    case 'model_lists_not_saved':
    case 'owners_not_kept':
    case 'service_manager_not_told':
      log.warn({ event: event.kind, reason: String(event.cause) })
      return
    case 'ledger_off': {
      const { kind, reason } = event
      if (event.is_usual === true) log.info({ event: kind, reason })
      else log.warn({ event: kind, reason })
      return
    }
    case 'clock_not_set':
      log.warn({ ...lineOf(event), message: expiringKeysRefused })
      return
    case 'keys_missing':
      if (event.is_usual === true) log.info({ event: event.kind, file: event.file, message: noKeyYet })
      else
        log.error({ ...lineOf(event), message: event.is_shared === true ? nothingPublished : noKeyIsValid })
      return
    case 'keys_awaited':
      log.error({ ...lineOf(event), message: noListYet })
      return
    case 'keys_refused':
    case 'ledger_rows_lost':
    case 'ledger_set_aside':
    case 'reload_refused':
      log.error(lineOf(event))
      return
    case 'budget_events_unlogged':
    case 'exporter_failed':
    case 'budget_exhausted':
    case 'budget_nearly_spent':
    case 'heartbeat_failed':
    case 'identity_keys_failed':
    case 'identity_keys_refused':
    case 'key_file_not_used':
    case 'keys_not_accepted':
    case 'keys_not_stored':
    case 'ledger_waiting':
    case 'machines_in_conflict':
    case 'metrics_full':
    case 'notification_failed':
    case 'notification_suppressed':
    case 'service_failed':
    case 'service_stop_refused':
    case 'starter_lost':
    case 'workers_missing':
      log.warn(lineOf(event))
      return
    case 'budget_window_begun':
    case 'exporter_recovered':
    case 'call_cancelled':
    case 'format_found':
    case 'ledger_writing':
    case 'limits_store_up':
    case 'identity_keys_loaded':
    case 'keys_loaded':
    case 'keys_pulled':
    case 'keys_stored':
    case 'listening':
    case 'machines_agree':
    case 'models_discovered':
    case 'notification_sent':
    case 'server_reported':
    case 'service_adopted':
    case 'service_commanded':
    case 'service_left':
    case 'service_ready':
    case 'service_stopping':
    case 'starter_found':
    case 'stopped':
    case 'stopping':
    case 'worker_restarted':
      log.info(lineOf(event))
      return
    default:
      event satisfies never
  }
}

const keepsNoCounts =
  'Another gateway keeps its counts in this directory, so those of this one will not survive its end. Stop the other one, or ' +
  'start this one with a directory of its own: STATE_DIRECTORY or XDG_STATE_HOME in its environment.'

const nothingPublished =
  'No key is valid: the file was removed. To end that, run `llm-gateway key publish` on the machine that has sign_keys_with.'

const noListYet =
  'No key is valid until a signed list of keys comes from the store: run `llm-gateway key publish` on the machine that has sign_keys_with.'

const noKeyIsValid =
  'No key is valid while there is no key file. Create a key with `llm-gateway key create NAME`, or set keys.mode to off.'

const noKeyYet =
  'Keys are optional, and there is no key file yet. Create a key with `llm-gateway key create NAME`, or set keys.mode to off.'

const expiringKeysRefused =
  'The clock shows a time before this release was built. Keys that expire are refused until it is set.'
const clockJumped =
  'The clock of this machine was set forward, or the machine slept. Windows of budgets follow it; if it was wrong, set it right: ' +
  'what was spent is counted under the start of each window, and is found again.'

const withoutStore = {
  share: 'Until the store is back, this gateway grants its part of each limit.',
  refuse: 'Until the store is back, calls that have limits are refused once what was granted has run out.',
  local:
    'Until the store is back, this gateway grants the whole of each limit by itself: all together may exceed it.',
}

const evictsLimits =
  'When its memory is full, the store deletes keys, and with them what was granted of limits. Set its maxmemory-policy to noeviction.'

/** All members, as they are. */
function lineOf({ kind, ...facts }: GatewayEvent): object {
  return { event: kind, ...facts }
}

function writeCall(facts: CallFacts, log: Log): void {
  const { status, code, cost_nano: nano } = facts
  const call = nano === undefined ? facts : withUsd(facts, nano)
  // The operator has revoked its key, or cancelled it: nothing is at fault.
  const isEnded = code === 'key_revoked' || code === 'call_cancelled'
  if (status >= 500 || (status < 400 && code !== undefined && !isEnded)) log.error(call)
  else if (isEnded || (status >= 400 && status !== 499)) log.warn(call)
  else log.info(call)
}

/** The amount as people write it: text, because they do not read numbers such as 1e-7. */
function withUsd(call: CallFacts, nano: number): object {
  return { ...call, cost_nano: undefined, tariff: undefined, cost_usd: usdOfNano(nano) }
}
