// Rules about where messages go. Messages of problems quote no URL: those of webhooks are secrets.
import type { HasProblem, Path, PathProblem } from './problems.ts'
import type { RawConfig, RawSecret } from './raw.ts'
import type { Secret } from './secret.ts'
import type { NotifySinkKind } from './observe-types.ts'
import { isUnencrypted, parseWebUrl } from './web-url.ts'

/** Their addresses are no secrets. */
const mayBeText: ReadonlySet<NotifySinkKind> = new Set(['alertmanager', 'pagerduty'])

export function* notifyProblems(raw: RawConfig, hasProblem: HasProblem): Generator<PathProblem> {
  for (const [name, sink] of Object.entries(raw.notify?.sinks ?? {})) {
    const path = ['notify', 'sinks', name, 'url']
    if (typeof sink.url !== 'string' || hasProblem(path)) continue
    if (!mayBeText.has(sink.kind)) {
      const message = `the URL of a sink of the kind ${sink.kind} is a secret: whoever knows it can write there`
      yield { path, message, hint: 'write { credential: NAME }, { env: NAME } or { secret: NAME }' }
      continue
    }
    const fault = urlFault(sink.url)
    if (fault !== undefined) yield { path, ...fault }
  }
}

/** What is wrong with URLs that are secrets, once they are known. */
export function* notifySecretProblems(
  raw: RawConfig,
  secrets: ReadonlyMap<RawSecret, Secret>,
): Generator<PathProblem> {
  const { sinks = {}, heartbeat } = raw.notify ?? {}
  const urls: [Path, unknown][] = Object.entries(sinks).map(([name, { url }]) => [
    ['notify', 'sinks', name, 'url'],
    url,
  ])
  urls.push([['notify', 'heartbeat', 'url'], heartbeat?.url])
  for (const [path, reference] of urls) {
    const secret = typeof reference === 'object' ? secrets.get(reference as RawSecret) : undefined
    const fault = secret && urlFault(secret.reveal())
    if (fault === undefined) continue
    yield { path, message: `the URL from ${secret!.source} ${fault.message}`, hint: fault.hint }
  }
  for (const [name, { kind, url }] of Object.entries(sinks)) {
    const secret = kind === 'ntfy' && typeof url === 'object' ? secrets.get(url) : undefined
    const pathname = secret && URL.parse(secret.reveal())?.pathname
    if (pathname === undefined || /^(?:\/[^/]+)*\/[\w-]{1,64}\/?$/.test(pathname)) continue
    const message = `the URL from ${secret!.source} does not end in a topic`
    yield { path: ['notify', 'sinks', name, 'url'], message, hint: 'store it as https://ntfy.sh/TOPIC' }
  }
}

/** Every reference to a secret of `notify:`, with its path. */
export function* notifyReferences(raw: RawConfig): Generator<[Path, RawSecret]> {
  const { sinks = {}, heartbeat } = raw.notify ?? {}
  for (const [name, sink] of Object.entries(sinks)) {
    for (const key of ['url', 'routing_key', 'token'] as const) {
      const reference = sink[key]
      if (typeof reference === 'object') yield [['notify', 'sinks', name, key], reference]
    }
  }
  if (heartbeat?.url !== undefined) yield [['notify', 'heartbeat', 'url'], heartbeat.url]
}

function urlFault(text: string): { message: string; hint: string } | undefined {
  const url = parseWebUrl(text)
  if (url === undefined) {
    return { message: 'is not a URL of a web server', hint: 'write it in full, with https://' }
  }
  if (url.username !== '' || url.password !== '') {
    return { message: 'must not contain a user name or password', hint: 'use token' }
  }
  if (isUnencrypted(url)) {
    return { message: 'would be sent unencrypted', hint: 'use https://, or http:// to a loopback address' }
  }
  return undefined
}
