// The sources of identities as the program uses them: every token one kind of source, every plain header the other.
import { defaults } from './defaults.ts'
import type { RawConfig, RawIdentitySource } from './raw.ts'
import type { IdentityConfig, IdentitySource } from './types.ts'

export function resolveIdentity(raw: RawConfig['identity'] = {}): IdentityConfig {
  const { required, sources } = { ...defaults.identity, ...raw }
  return { isRequired: required, sources: sources.map(resolveSource) }
}

function resolveSource(raw: RawIdentitySource): IdentitySource {
  const allow = raw.allow && [...raw.allow]
  switch (raw.kind) {
    case 'cloudflare_access': {
      const issuer = `https://${raw.team}.cloudflareaccess.com`
      return {
        kind: 'token',
        header: 'cf-access-jwt-assertion',
        issuer,
        audience: raw.audience,
        algorithms: ['RS256'],
        keysUrl: `${issuer}/cdn-cgi/access/certs`,
        claim: 'email',
        isCloudflare: true,
        allow,
      }
    }
    case 'jwt':
      return {
        kind: 'token',
        header: raw.header.toLowerCase(),
        issuer: raw.issuer,
        audience: raw.audience,
        algorithms: [...raw.algorithms],
        keysUrl: raw.jwks_url,
        claim: raw.client_claim ?? defaults.identity.client_claim,
        isCloudflare: false,
        allow,
      }
    case 'tailscale':
      return { kind: 'header', header: 'tailscale-user-login', prefix: 'ts', fromUser: raw.from_user, allow }
    case 'header':
      return {
        kind: 'header',
        header: raw.header.toLowerCase(),
        prefix: 'head',
        fromUser: raw.from_user,
        allow,
      }
    default:
      return raw satisfies never
  }
}
