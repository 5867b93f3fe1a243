// Whether the store of limits that gateways share can be used from here. It is not joined.
import { type ProbedStore, probeStore } from '../../admission/stores/valkey/probe.ts'
import type { SharedStore, StoreConfig } from '../../config/store-types.ts'
import { readStoreUrl } from '../../config/store-url.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Finding } from './finding.ts'

export async function examineStore(
  config: StoreConfig,
  { setTimer }: Pick<Clock, 'setTimer'>,
): Promise<Finding[]> {
  if (config.kind === 'memory') return []
  const subject = 'rate_limit_settings.store'
  const { url, ca, prefix, whenUnavailable, members } = config
  if (url === undefined) {
    return [{ subject, state: 'skipped', detail: 'only the service can read its URL' }]
  }
  const read = readStoreUrl(url.reveal(), url.source)
  if (read.kind === 'refused') {
    return [{ subject, state: 'fail', detail: `the URL from ${url.source} ${read.message}`, fix: read.hint }]
  }
  const found = await probeStore({ endpoint: read.endpoint, ca, prefix, setTimer })
  if (found.kind === 'failed') {
    if (found.code === 'NOT_INSTALLED') {
      const detail = `${found.reason}: the gateway cannot start without it`
      return [{ subject, state: 'fail', detail, fix: 'run npm ci --include=optional' }]
    }
    const detail = `${found.reason}; meanwhile this gateway has ${withoutIt[whenUnavailable]}`
    const fix = fixOf(found, config, url.source)
    return [{ subject, state: 'fail', detail, fix }]
  }
  const { version, evictionPolicy } = found.info
  const detail = `${version} at ${found.address}, for at most ${members} gateways; ${url.source}`
  if (evictionPolicy === undefined) return [{ subject, state: 'ok', detail }]
  return [
    {
      subject,
      state: 'warn',
      detail: `${detail}; its maxmemory-policy is ${evictionPolicy}: when its memory is full, it deletes limits`,
      fix: 'set maxmemory-policy noeviction in the configuration of the server',
    },
  ]
}

/** @param source of the URL. */
function fixOf(
  { reason, code }: Pick<ProbedStore & { kind: 'failed' }, 'code' | 'reason'>,
  { ca, prefix }: Pick<SharedStore, 'ca' | 'prefix'>,
  source: string,
): string {
  if (/certificate/.test(reason)) {
    return ca === undefined
      ? "set rate_limit_settings.store.ca_file, if the server's authority is your own"
      : 'store.ca_file must have the authority that has signed the certificate, and the certificate the name in the URL'
  }
  if (code === 'WRONGPASS' || code === 'NOAUTH')
    return `write the user and password of the server into the URL: ${source}`
  if (code === 'NOPERM') {
    return `the user needs the rights that docs/machines.md has, on ~{${prefix}}:* and &{${prefix}}:*; or store.prefix is not the one of the others`
  }
  if (/unknown command 'SENTINEL'|cluster support disabled/i.test(reason)) {
    return `write the URL without +sentinel or +cluster, since the server is neither: ${source}`
  }
  if (/connection has ended|closed the connection|no TLS connection/.test(reason)) {
    return `write rediss:// where the server speaks TLS, and redis:// where it does not: ${source}`
  }
  return `start the server, or set the URL right: ${source}`
}

const withoutIt = {
  share: 'its part of each limit',
  refuse: 'no limit to grant, and refuses calls that have one',
  local: 'the whole of each limit, as all others have',
}
