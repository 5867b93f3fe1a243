// The URL of a store. It is a secret as a whole, so that no message repeats it: what is said of it is its scheme and, once it
// cannot be part of a password, its host.
import { isIP } from 'node:net'

import { reachOf } from '../platform/address-reach.ts'
import { HeldSecret } from './secrets.ts'
import type { StoreAddress, StoreEndpoint } from './store-types.ts'

export type ReadStoreUrl =
  | { readonly kind: 'read'; readonly endpoint: StoreEndpoint }
  /** A predicate, to follow `the URL from …`. */
  | { readonly kind: 'refused'; readonly message: string; readonly hint: string }

const forms = 'rediss://USER:PASSWORD@HOST:6379, redis://127.0.0.1:6379 or unix:///run/valkey/valkey.sock'

/** @param source of the URL, for people. */
export function readStoreUrl(text: string, source: string): ReadStoreUrl {
  const [, scheme = '', rest = ''] = /^([A-Za-z][A-Za-z+]*):\/\/(.*)$/.exec(text) ?? []
  const name = scheme.toLowerCase()
  const [, base = '', topology = ''] = /^(rediss?|valkeys?|unix)(?:\+(sentinel|cluster))?$/.exec(name) ?? []
  if (base === '' || (base === 'unix' && topology !== '')) {
    const seen = name === '' || name.length > 20 ? 'has no scheme' : `has the scheme ${name}://`
    return refused(`${seen}, which is none of a store`, `store it as ${forms}`)
  }
  const [, user, place = '', path = '', query] =
    /^(?:([^@/?#]*)@)?([^@/?#]*)(\/[^@?#]*)?(?:\?([^@#]*))?$/.exec(rest) ?? []
  if (place === '' && path === '' && query === undefined && rest !== '') {
    const hint = 'write / as %2F, ? as %3F, # as %23, @ as %40 and : as %3A'
    return refused('has one of the characters / ? # @ in its user or password, or a #', hint)
  }
  const login = user === undefined ? undefined : readLogin(user, source)
  if (login?.kind === 'refused') return login
  const parameters = readParameters(
    query,
    base === 'unix' ? 'db' : topology === 'sentinel' ? 'sentinel_auth' : '',
  )
  if (parameters.kind === 'refused') return parameters
  const common = { login: login?.login }
  if (base === 'unix') return readSocket(place, path, { ...common, value: parameters.value })
  const addresses = readHosts(place, topology)
  if ('kind' in addresses) return addresses
  const isEncrypted = base === 'rediss' || base === 'valkeys'
  const remote = addresses.find(({ host }) => host !== 'localhost' && reachOf(host) !== 'loopback')
  if (!isEncrypted && remote !== undefined) {
    const secure = `${base}s${topology === '' ? '' : `+${topology}`}://`
    return refused(
      `is ${name}:// to ${remote.host}: commands and the password would go there unencrypted`,
      `store it with ${secure}, or use a server on this machine`,
    )
  }
  const steps = path.split('/').slice(1)
  if (topology === 'cluster') {
    if (!['', '0'].includes(steps.join('/')))
      return refused('names a database, and clusters have only the database 0', 'end it behind the hosts')
    return read({ topology: { kind: 'cluster' }, addresses, isEncrypted, ...common, database: 0 })
  }
  if (topology === 'sentinel') {
    const [master = '', number = '', ...more] = steps
    const database = readDatabase(number)
    if (!/^[\w.-]+$/.test(master) || database === undefined || more.length > 0)
      return refused('names no master', `store it as ${name}://HOST:26379,HOST:26379/MASTER`)
    const { value } = parameters
    if (value !== undefined && value !== 'same')
      return refused(
        'has a value of sentinel_auth other than same',
        'write ?sentinel_auth=same, or leave it out',
      )
    const isSameLogin = value === 'same'
    return read({
      topology: { kind: 'sentinel', master, isSameLogin },
      addresses,
      isEncrypted,
      ...common,
      database,
    })
  }
  const database = steps.length > 1 ? undefined : readDatabase(steps[0] ?? '')
  if (database === undefined)
    return refused('has a path that is no number of a database', 'end it with /0, or behind the port')
  return read({ topology: { kind: 'single' }, addresses, isEncrypted, ...common, database })
}

function refused(message: string, hint: string): Extract<ReadStoreUrl, { kind: 'refused' }> {
  return { kind: 'refused', message, hint }
}

function read(endpoint: StoreEndpoint): ReadStoreUrl {
  return { kind: 'read', endpoint }
}

function readLogin(text: string, source: string) {
  const [, user = '', password] = /^([^:]*)(?::([^:]*))?$/.exec(text) ?? []
  if (password === undefined || password === '') {
    return refused(
      text.split(':').length > 2 ? 'has two colons before the @' : 'has a user without a password',
      'write USER:PASSWORD@, or :PASSWORD@ for the default user, each : of the password as %3A',
    )
  }
  try {
    const name = decodeURIComponent(user)
    const secret = new HeldSecret(decodeURIComponent(password), source)
    return { kind: 'read', login: { user: name === '' ? undefined : name, password: secret } } as const
  } catch {
    return refused('has a % in its user or password that begins no escape', 'write % as %25')
  }
}

/** @param known the only one that there may be. Values are not repeated: people write passwords there. */
function readParameters(query: string | undefined, known: string) {
  const all = [...new URLSearchParams(query ?? '')]
  const unknown = all.find(([key]) => key !== known)
  if (unknown !== undefined) {
    const hint = known === '' ? 'remove everything from the ? on' : `only ${known} may follow the ?`
    return refused('has a parameter that is not known', hint)
  }
  return { kind: 'read', value: all[0]?.[1] } as const
}

function readSocket(
  place: string,
  path: string,
  { login, value = '' }: { login: StoreEndpoint['login']; value: string | undefined },
): ReadStoreUrl {
  const database = readDatabase(value)
  if (place !== '' || path.length < 2)
    return refused('has no absolute path', 'store it as unix:///run/valkey/valkey.sock, with three slashes')
  if (database === undefined) return refused('has a db that is no number of a database', 'write ?db=0')
  return read({ topology: { kind: 'single' }, addresses: [{ path }], isEncrypted: false, login, database })
}

function readHosts(text: string, topology: string) {
  const usual = topology === 'sentinel' ? 26_379 : 6379
  const addresses: Extract<StoreAddress, { host: string }>[] = []
  for (const each of text.split(',')) {
    const [, inBrackets, name = '', digits] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(each) ?? []
    const host = inBrackets ?? name
    const port = digits === undefined ? usual : Number(digits)
    const isValid = inBrackets === undefined ? /^[\w.-]+$/.test(host) : isIP(inBrackets) === 6
    if (!isValid || port < 1 || port > 65_535) {
      const hint = 'write HOST:PORT, an IPv6 address in brackets; in a password / is %2F and @ is %40'
      return refused('has a host or port that cannot be one', hint)
    }
    addresses.push({ host: host.toLowerCase(), port })
  }
  if (topology === '' && addresses.length > 1)
    return refused('has several hosts', 'write +sentinel or +cluster behind the scheme, or a single host')
  return addresses
}

/** Undefined: it is none. */
function readDatabase(text: string): number | undefined {
  return /^\d{0,4}$/.test(text) ? Number(text) : undefined
}
