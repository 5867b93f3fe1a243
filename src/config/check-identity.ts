// Rules about the sources of identities.
import { reachOf } from '../platform/address-reach.ts'
import { accountProblems, isLetIn, type LocalUsers } from './check-users.ts'
import { defaults } from './defaults.ts'
import { type HasProblem, type Path, type PathProblem, quoted } from './problems.ts'
import type { RawConfig, RawIdentitySource } from './raw.ts'

export function* identityProblems(
  raw: RawConfig,
  hasProblem: HasProblem,
  accounts: LocalUsers,
): Generator<PathProblem> {
  const { required = false, sources = [] } = raw.identity ?? {}
  if (required && sources.length === 0) {
    const message = 'no request can have an identity without a source'
    yield { path: ['identity', 'required'], message, hint: 'add identity.sources, or remove the key' }
  }
  const headers = new Set<string>()
  for (const [index, source] of sources.entries()) {
    const path = ['identity', 'sources', index]
    if (hasProblem(path)) continue
    const header = headerOf(source).toLowerCase()
    if (headers.has(header)) {
      const message = `an earlier source reads the header ${quoted(header)} already, so this one would never count`
      yield { path, message, hint: 'let each source have a header of its own' }
    }
    headers.add(header)
    if (source.kind === 'jwt' || source.kind === 'header') yield* headerProblems(header, source.kind, path)
    if (source.kind === 'jwt') yield* keysUrlProblems(source.jwks_url, [...path, 'jwks_url'])
    else if (source.kind !== 'cloudflare_access') yield* proxyProblems(raw, source, { path, accounts })
  }
}

function headerOf(source: RawIdentitySource): string {
  switch (source.kind) {
    case 'cloudflare_access':
      return 'cf-access-jwt-assertion'
    case 'tailscale':
      return 'tailscale-user-login'
    case 'jwt':
    case 'header':
      return source.header
    default:
      return source satisfies never
  }
}

/** Headers of HTTP itself and of APIs: they mean something else, and some go on to providers, which identities never do. */
const otherHeaders =
  /^(?:accept|accept-.+|access-control-.+|anthropic-.+|api-key|connection|content-.+|cookie|expect|host|idempotency-key|openai-.+|origin|range|sec-.+|te|trailer|transfer-encoding|upgrade|user-agent|x-api-key|x-forwarded-for|x-goog-api-key|x-request-id|x-stainless-.+)$/

function* headerProblems(header: string, kind: 'jwt' | 'header', path: Path): Generator<PathProblem> {
  const isTaken = otherHeaders.test(header) || (kind === 'header' && header === 'authorization')
  if (!isTaken) return
  const message = `${quoted(header)} has another meaning, and cannot carry an identity`
  yield { path: [...path, 'header'], message, hint: 'name the header that the proxy sets' }
}

function* keysUrlProblems(text: string, path: Path): Generator<PathProblem> {
  const url = URL.parse(text)
  const hint = 'write the URL of the JWKS in full: https://HOST/.well-known/jwks.json'
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    yield { path, message: 'is not a URL of a web server', hint }
  } else if (url.username !== '' || url.password !== '' || text.includes('#')) {
    yield { path, message: 'must have neither a user name, a password nor a fragment', hint }
  } else if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    const message = 'whoever can change what http:// transfers could sign tokens of anybody'
    yield { path, message, hint: 'write https://, or a loopback address' }
  }
}

function isLoopback(hostname: string): boolean {
  return reachOf(hostname.replace(/^\[|\]$/g, '')) === 'loopback'
}

function* proxyProblems(
  raw: RawConfig,
  { kind, from_user: user }: RawIdentitySource & { kind: 'tailscale' | 'header' },
  { path, accounts }: { readonly path: Path; readonly accounts: LocalUsers },
): Generator<PathProblem> {
  if (user === undefined) {
    if ((raw.server?.unix_socket ?? null) !== null) return
    const message = `a source of kind ${kind} without from_user is believed on a Unix socket only, because every local program can send the header to the TCP port`
    const hint = 'write from_user: NAME, the Unix user that the proxy runs as, or set server.unix_socket'
    yield { path, message, hint, severity: 'warning' }
    return
  }
  const at = [...path, 'from_user']
  if (user === 'any') {
    const message = '"any" would believe every local program'
    yield { path: at, message, hint: 'name the user that the proxy runs as' }
    return
  }
  yield* accountProblems(user, at, accounts)
  const allowed = raw.access?.allowed_users ?? defaults.access.allowed_users
  if (allowed.some((name) => name === 'any')) {
    const message =
      'has no effect on the TCP port: with access.allowed_users [any], the gateway does not look up the users of connections'
    yield { path: at, message, hint: 'list the users in access.allowed_users', severity: 'warning' }
  } else if (!isLetIn(user, allowed, accounts)) {
    yield {
      path: at,
      message: `connections of ${quoted(user)} to the TCP port are refused (403), because access.allowed_users does not list it`,
      hint: `write access: { allowed_users: [${[...allowed, user].join(', ')}] }, unless the proxy connects to the Unix socket`,
      severity: 'warning',
    }
  }
  if (user === 'self' || accounts.users.nameOf(accounts.ownUid) === user) {
    const message = 'every program of this user can send the header, and be anybody'
    yield { path: at, message, hint: 'run the proxy as a user of its own', severity: 'warning' }
  }
}
