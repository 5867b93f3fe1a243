// How an explanation of a model reads.
import type { RoutingConfig } from '../config/types.ts'
import type { Timeouts } from '../config/provider-types.ts'
import type { ModelLimits } from '../domain.ts'
import { systemClock } from '../platform/clock.ts'
import { printable } from '../platform/printable.ts'
import {
  describeFormats,
  type ExplainedFormats,
  printCoverage,
  printCoverageSummary,
} from './explain-formats.ts'
import { serviceRows } from './explain-service.ts'
import type { Explanation } from './explanation.ts'
import type { Output } from './output.ts'

const rules = {
  name: () => 'is the name of a model',
  alias: (entry: string) => `is an alias of ${entry}`,
  wildcard: (entry: string) => `matches the wildcard ${entry}`,
  discovered: () => 'can be called if its provider lists it (discover_models)',
}

/** Prints an explanation for people. @param listsMembers of the translations; else a summary of them. */
export function printExplanation(out: Output, explanation: Explanation, listsMembers: boolean): void {
  const { model, rule, entry, targets, limits, fallbacks, boundary, routing, heartbeatAfterMs } = explanation
  const {
    rules: conditions = [],
    request = [],
    defaultFor: kinds,
    rest,
    keys,
    identity,
    clientNames,
    clients = [],
    budgets = [],
    store,
    logTransport,
    traces,
    coverage = {},
  } = explanation
  out.line(`${out.styled('bold', printable(model))} ${printable(rules[rule](entry))}`)
  for (const [index, target] of targets.entries()) {
    const address = target.baseUrl ?? 'built in'
    out.line()
    out.line(`${index + 1}. ${out.styled('bold', printable(target.provider))}  ${address}`)
    row(out, 'model', printable(target.model))
    if (target.formats !== undefined) printFormats(out, target.formats, target.kind)
    if (target.timeouts === null) continue
    row(out, 'tier, weight', `${target.tier}, ${target.weight}`)
    row(
      out,
      'key',
      target.credential === 'none' ? 'none' : `${printable(target.credential)}, sent as ${target.auth}`,
    )
    if (target.boundary !== 'any') row(out, 'boundary', boundaryTexts[target.boundary])
    if (target.proxy !== null) row(out, 'proxy', proxyText(target.proxy, boundary))
    if (target.plainHttp !== null) row(out, 'plain http', plainHttpRules[target.plainHttp])
    if (target.headers.length > 0) row(out, 'headers', target.headers.join(', '))
    row(out, 'timeouts', formatTimeouts(target.timeouts))
    const { parallel, contextLength, takes } = target
    if (parallel !== undefined) row(out, 'parallel', parallel === 'auto' ? autoText : `${parallel} calls`)
    if (contextLength !== undefined) row(out, 'context', `${contextLength} tokens (the file)`)
    if (takes !== undefined) row(out, 'takes', `${takes.join(', ')} (the file)`)
    if (target.ownRoutes !== undefined) row(out, 'own routes', target.ownRoutes.join(', '))
    if (target.allowsManagement) row(out, 'management', 'allowed to all clients that may use the provider')
    for (const [label, text] of target.service === undefined ? [] : serviceRows(target.service)) {
      row(out, label, printable(text))
    }
    const { price } = target
    row(
      out,
      'price',
      price === null
        ? 'unknown; to count its cost, set price:, or price: free'
        : printable(`${price.setting} (${price.place})`),
    )
  }
  out.line()
  out.line(`limits     ${limits === null ? 'none' : formatLimits(limits)}`)
  out.line(`fallbacks  ${fallbacks.length === 0 ? 'none' : printable(fallbacks.join(', '))}`)
  for (const [index, text] of conditions.entries()) {
    out.line((index === 0 ? 'rules' : '').padEnd(11) + printable(text))
  }
  if (request.length > 0) out.line(`request    ${printable(request.join(', '))}`)
  if (boundary !== 'any') out.line(`boundary   ${boundary}: ${boundedTexts[boundary]}`)
  out.line(`heartbeat  after ${heartbeatAfterMs / 1000} s of silence in a stream`)
  out.line(`retries    ${formatRouting(routing)}`)
  if (targets.length > 1) out.line(`placement  ${placements[routing.placement]}${sharedText(routing)}`)
  if (kinds.length > 0) out.line(`default    for ${kinds.join(', ')} whose requests name no model`)
  if (rest !== null) out.line(`rest       other routes of the API pass to ${printable(rest)}`)
  if (keys !== undefined) out.line(`keys       ${keys.mode}, of ${printable(keys.file)}`)
  if (identity !== undefined) {
    const from = identity.sources.map(printable).join('; ')
    out.line(`identity   ${identity.required ? 'required' : 'optional'}, by ${from}`)
  }
  if (clientNames !== undefined)
    out.line(`recorded   clients by ${clientNames}s, in the log, the ledger and the audit log`)
  if (clients.length > 0) out.line(`clients    with an entry of their own: ${printable(clients.join(', '))}`)
  if (budgets.length > 0) out.line(`budgets    of all clients together: ${budgets.join(', ')}`)
  if (store !== undefined) {
    const { url, prefix, members, whenUnavailable } = store
    const text = `limits are shared by at most ${members} gateways: ${url}, prefix ${prefix}; ${whenUnavailable} while it is unavailable`
    out.line(`store      ${printable(text)}`)
  }
  if (logTransport !== undefined) out.line(`log        ${printable(logTransport)}`)
  if (traces !== undefined) out.line(`traces     ${tracesText(traces)}`)
  const printMembers = listsMembers ? printCoverage : printCoverageSummary
  const ways = Object.entries(coverage)
  for (const [way, covered] of ways) printMembers(out, way, covered)
  if (ways.length > 0 && !listsMembers) out.line('\n--members lists all members, and how they are carried')
}

function tracesText({ endpoint, passedTo }: NonNullable<Explanation['traces']>): string {
  const spans = endpoint === null ? 'no spans are recorded' : `spans go to ${endpoint}`
  const of = passedTo.length === 0 ? 'no provider' : printable(passedTo.join(', '))
  return `${spans}; ${of} receives the trace of a call`
}

function printFormats(out: Output, formats: ExplainedFormats, kind: string): void {
  row(out, 'way', describeFormats(formats, kind, systemClock.wallNow()))
  const settings = Object.entries(formats.translation).map(
    ([key, value]) => `${key}: ${JSON.stringify(value)}`,
  )
  if (settings.length > 0) row(out, 'translation', settings.join(', '))
}

/** Of the calls of a target. */
const boundaryTexts = {
  local: 'local, its calls stay on this machine',
  private: 'private, its calls can be kept on private networks',
} as const

/** Of the calls of a model. */
const boundedTexts = {
  local: 'each connection leads to a loopback address, through no proxy',
  private: 'each connection leads to a loopback or private address, through no proxy',
} as const

function proxyText(proxy: string, boundary: Explanation['boundary']): string {
  return boundary === 'any' ? proxy : `${proxy}, not used within the boundary`
}

const autoText = 'as many calls as the server has slots (auto); llm-gateway providers shows them'

const plainHttpRules = {
  private: 'only if the name has no other addresses than loopback and private ones',
  anywhere: 'to any address (allow_http)',
}

function row(out: Output, label: string, text: string): void {
  out.line(`   ${out.styled('dim', label.padEnd(13))} ${text}`)
}

function formatTimeouts({ connectMs, firstByteMs, idleMs, totalMs }: Timeouts): string {
  const shown = (ms: number) => (ms === 0 ? 'off' : `${ms / 1000} s`)
  return `connect ${shown(connectMs)}, first byte ${shown(firstByteMs)}, idle ${shown(idleMs)}, total ${shown(totalMs)}`
}

function formatRouting({ retries, maxRetryWaitMs, restartWaitMs, cooldownMs }: RoutingConfig): string {
  const seconds = (ms: number) => `${ms / 1000} s`
  const restart = restartWaitMs === 0 ? '' : `, up to ${seconds(restartWaitMs)} for a local restart`
  return `${retries}, each after at most ${seconds(maxRetryWaitMs)}${restart}; cool-down ${seconds(cooldownMs)}`
}

const placements = {
  expected_time: 'where the answer is expected to begin soonest',
  least_busy: 'where the fewest calls are under way, by weight',
}

function sharedText({ placement, hasSharedPrefixes }: RoutingConfig): string {
  if (placement === 'least_busy') return ''
  return hasSharedPrefixes
    ? '; cached prompts of all clients count'
    : '; cached prompts of the same client count'
}

function formatLimits({ rpm, tpm, maxParallelRequests, whenLimited, maxWaitMs }: ModelLimits): string {
  const parts = [
    rpm === undefined ? undefined : `${rpm} requests per minute`,
    tpm === undefined ? undefined : `${tpm} tokens per minute`,
    maxParallelRequests === undefined ? undefined : `${maxParallelRequests} in parallel`,
  ].filter((part) => part !== undefined)
  const then = whenLimited === 'wait' ? `wait up to ${maxWaitMs / 1000} s` : 'reject'
  return parts.length === 0 ? 'none' : `${parts.join(', ')}; then ${then}`
}
