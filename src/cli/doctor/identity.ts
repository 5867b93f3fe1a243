// Asks each issuer of identities for its keys: without them no token can be checked once the stored copy is a day old.
import { checkIssuers, type IssuerCheckParts, type IssuerReport } from '../../app/issuer-check.ts'
import type { IdentityConfig } from '../../config/types.ts'
import { formatAge } from '../credential-list.ts'
import { counted } from '../output.ts'
import type { Finding } from './finding.ts'

/** As far as the clocks of an issuer and this machine may differ. */
const toleranceMs = 30_000

/** Nothing where no source has tokens. */
export async function examineIssuers(identity: IdentityConfig, parts: IssuerCheckParts): Promise<Finding[]> {
  return (await checkIssuers(identity, parts)).map(findingOf)
}

function findingOf(report: IssuerReport): Finding {
  const { issuer, url, keys, fault, unusableFor, aheadMs, isKeptUsable } = report
  const subject = `keys of ${issuer}`
  const kept = keptText(report)
  if (fault !== undefined) {
    const then = isKeptUsable ? 'tokens are checked by the copy' : 'no token can be checked'
    const fix = `ask for ${url} from this machine, and compare it with jwks_url`
    return {
      subject,
      state: isKeptUsable ? 'warn' : 'fail',
      detail: `${url}: ${fault}; ${kept}: ${then}`,
      fix,
    }
  }
  if (unusableFor !== undefined) {
    const detail = `${url} has ${counted(keys!, 'key')}, none of them for ${unusableFor.join(', ')}; ${kept}`
    return { subject, state: 'fail', detail, fix: 'correct algorithms of the source' }
  }
  const detail = `${counted(keys!, 'key')} at ${url}; ${kept}`
  if (aheadMs !== undefined && Math.abs(aheadMs) > toleranceMs + 1_000) {
    const seconds = Math.round(Math.abs(aheadMs) / 1000)
    return {
      subject,
      state: 'warn',
      detail: `${detail}; its clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's, and tokens allow ${toleranceMs / 1000} s`,
      fix: 'timedatectl status',
    }
  }
  return { subject, state: report.keptRefused === undefined ? 'ok' : 'warn', detail }
}

function keptText({ keptAgeMs, isKeptUsable, keptRefused }: IssuerReport): string {
  if (keptRefused !== undefined) return `identity-keys.json ${keptRefused}`
  if (keptAgeMs === undefined) return 'no copy is stored'
  return `the stored copy is ${formatAge(keptAgeMs)}${isKeptUsable ? '' : ', too old to be used'}`
}
