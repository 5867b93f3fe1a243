// Checks the configuration file, as `validate-config` does.
import type { LoadedConfig } from '../../config/load.ts'
import type { Problem } from '../../config/problems.ts'
import type { RateLimitConfig } from '../../config/types.ts'
import { formatPath } from '../../platform/key-path.ts'
import { counted } from '../output.ts'
import type { Finding } from './finding.ts'

export function examineConfig(file: string, loaded: LoadedConfig): Finding[] {
  const problems = (loaded.ok ? loaded.warnings : loaded.problems).map(toFinding)
  if (!loaded.ok) return problems
  const { models, providers, rateLimits } = loaded.config
  const contents = `${counted(models.size, 'model')}, ${counted(providers.size, 'provider')}`
  return [
    { subject: 'file', state: 'ok', detail: `${file} is valid: ${contents}` },
    ...problems,
    ...tightLimits(rateLimits),
  ]
}

/** What coding agents send in one call, system prompt and tools included. */
const agentCallTokens = 20_000

/** Fewer calls a minute than this make an agent pause. */
const briskCalls = 5

/** Limits that are kept as they are, but that will make a coding agent wait. */
function tightLimits({ enabled, default: otherwise, limits }: RateLimitConfig): Finding[] {
  if (!enabled) return []
  const settings = 'rate_limit_settings'
  const all = [
    ...Array.from(limits, ([model, { tpm, whenLimited }]) => ({
      path: [settings, 'limits', model, 'tpm'],
      tpm,
      whenLimited,
    })),
    { path: [settings, 'default', 'tpm'], tpm: otherwise.tpm, whenLimited: otherwise.whenLimited },
  ]
  const tight = all.filter(({ tpm = Infinity }) => tpm < briskCalls * agentCallTokens)
  const [first] = tight.toSorted((one, other) => one.tpm! - other.tpm!)
  if (first === undefined) return []
  const path = formatPath(first.path)
  const others = tight.length > 1 ? ` (the lowest of ${tight.length} such limits)` : ''
  const calls = counted(Math.floor(first.tpm! / agentCallTokens), 'call')
  const detail = `${path} is ${first.tpm}${others}: ${calls} a minute for a coding agent, which sends about ${agentCallTokens} tokens in each`
  const fix = `for coding agents raise ${path} to ${briskCalls * agentCallTokens} or more${first.whenLimited === 'wait' ? '' : ', or set when_limited: wait'}`
  return [{ subject: 'token limits', state: 'ok', detail, fix }]
}

function toFinding({ file, line, column, path, message, hint, severity }: Problem): Finding {
  const position = line > 0 ? `${file}:${line}:${column}` : file
  return {
    subject: path === '' ? 'file' : path,
    state: severity === 'error' ? 'fail' : 'warn',
    detail: path.startsWith('env ') ? message : `${position}: ${message}`,
    fix: hint === '' ? undefined : hint,
    figures: { file, line, column },
  }
}
