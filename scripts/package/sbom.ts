// The software bill of materials (CycloneDX), as npm makes it of the lock file, without what differs from run to run.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { SourceState } from './source-state.ts'

/** Of the packages in the bundle, and of Node.js for both processors. */
export function sbomText(root: string, { version, epochSeconds }: SourceState): string {
  const options = ['--sbom-format', 'cyclonedx', '--package-lock-only', '--omit', 'dev']
  const text = execFileSync('npm', ['sbom', ...options], { cwd: root, encoding: 'utf8' })
  const sbom = JSON.parse(text) as {
    serialNumber: string
    metadata: { timestamp: string; component: { name: string } }
  }
  sbom.metadata.timestamp = new Date(epochSeconds * 1000).toISOString()
  // npm names it after the folder.
  sbom.metadata.component.name = 'llm-gateway'
  sbom.serialNumber = ''
  const hash = createHash('sha256')
    .update(`${version}\0${JSON.stringify(sbom)}`)
    .digest('hex')
  // A UUID of version 8 (RFC 9562, section 5.8): its bits are those of the hash.
  const [, a, b, c, d, e] = /^(.{8})(.{4}).(.{3}).(.{3})(.{12})/.exec(hash)!
  sbom.serialNumber = `urn:uuid:${a}-${b}-8${c}-8${d}-${e}`
  return `${JSON.stringify(sbom, undefined, 2)}\n`
}
