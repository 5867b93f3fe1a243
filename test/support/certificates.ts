// Certificates of an authority of the test's own.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'

import { scratchDirectory } from './config-file.ts'
import type { Cleanup } from './scripted-upstream.ts'

interface Certificates {
  readonly ca: { readonly file: string; readonly pem: string }
  /** PEM files of the server. */
  readonly cert: string
  readonly key: string
}

/** With `openssl`. @param names addresses and names. */
export function issueCertificates(t: Cleanup, ...names: readonly string[]): Certificates {
  const folder = scratchDirectory(t)
  const file = (base: string) => join(folder, base)
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test')
  openssl('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=server')
  const subjects = names.map((name) => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`)
  writeFileSync(file('names'), `subjectAltName=${subjects.join()}`)
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names']
  openssl('x509', '-req', '-in', 'server.csr', '-out', 'server.pem', ...signing)
  return {
    ca: { file: file('ca.pem'), pem: readFileSync(file('ca.pem'), 'utf8') },
    cert: file('server.pem'),
    key: file('server.key'),
  }
}
