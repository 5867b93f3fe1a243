// Schema of the identities that front proxies report.
import { tokenAlgorithms } from '../types.ts'
import { defaults } from '../defaults.ts'
import { headerName, userName } from './names.ts'
import type { Schema } from './schema-type.ts'

const text = (description: string) =>
  ({
    type: 'string',
    description,
    minLength: 1,
    maxLength: 512,
    pattern: '^[!-~]+$',
    patternErrorMessage: 'must be visible ASCII characters',
  }) as const satisfies Schema

const onlyKeys = (keys: readonly string[], kind: string) =>
  ({
    enum: [...keys, 'kind', 'allow'],
    errorMessage: `does not apply to a source of kind ${kind}`,
    hint: 'remove it',
  }) as const satisfies Schema

const isKind = (kind: string) =>
  ({ properties: { kind: { const: kind } }, required: ['kind'] }) as const satisfies Schema

const source = {
  type: 'object',
  additionalProperties: false,
  required: ['kind'],
  properties: {
    kind: {
      type: 'string',
      description:
        '`cloudflare_access`: the token of Cloudflare Access. `jwt`: the signed token of any other proxy. `tailscale`: the header of Tailscale Serve. `header`: a header that a proxy on this machine sets.',
      enum: ['cloudflare_access', 'jwt', 'tailscale', 'header'],
    },
    team: {
      type: 'string',
      description: '`cloudflare_access`: the team, as in `https://TEAM.cloudflareaccess.com`.',
      minLength: 1,
      maxLength: 63,
      pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$',
      patternErrorMessage: 'must be the name of the team only, in lower case',
    },
    audience: text(
      '`cloudflare_access`: the AUD tag of the application. `jwt`: the `aud` that tokens must have.',
    ),
    issuer: text('`jwt`: the `iss` that tokens must have, character by character.'),
    jwks_url: text(
      "`jwt`: where the issuer's public keys are. `https://`, or `http://` to a loopback address; redirects are not followed.",
    ),
    algorithms: {
      type: 'array',
      description: `\`jwt\`: the signatures that are accepted, of ${tokenAlgorithms.map((name) => `\`${name}\``).join(', ')}. A token never chooses another one.`,
      minItems: 1,
      maxItems: 16,
      items: { type: 'string', enum: tokenAlgorithms },
    },
    client_claim: {
      type: 'string',
      description:
        '`jwt`: the claim that names the client: `mail:…` for `email`, else `jwt:…`. An address of which the token reports that it is not verified is refused.',
      default: defaults.identity.client_claim,
      minLength: 1,
      maxLength: 128,
    },
    header: {
      ...headerName,
      description: '`jwt`: the header with the token. `header`: the header with the name of the client.',
    },
    from_user: {
      ...userName,
      description:
        '`header`, `tailscale`: the Unix user of the proxy. Connections of others are not believed, those to `server.unix_socket` are. Absent: only those are.',
    },
    allow: {
      type: 'array',
      description:
        'The clients that are let in: `ann@example.org`, `*@example.org`, `service:NAME`. Absent: all that the proxy vouches for.',
      minItems: 1,
      maxItems: 1000,
      items: {
        type: 'string',
        minLength: 1,
        maxLength: 200,
        pattern: '^([!-)+-~]+|[*]@[!-)+-?A-~]+)$',
        patternErrorMessage: 'must be a whole name, or *@DOMAIN',
      },
    },
  },
  if: isKind('cloudflare_access'),
  then: {
    required: ['team', 'audience'],
    hint: 'write team and audience: the application’s AUD tag, without which tokens for any other application would open this one',
    propertyNames: onlyKeys(['team', 'audience'], 'cloudflare_access'),
  },
  else: {
    if: isKind('jwt'),
    then: {
      required: ['header', 'issuer', 'audience', 'jwks_url', 'algorithms'],
      hint: 'a token is only accepted by its header, issuer, audience, jwks_url and algorithms',
      propertyNames: onlyKeys(
        ['header', 'issuer', 'audience', 'jwks_url', 'algorithms', 'client_claim'],
        'jwt',
      ),
    },
    else: {
      if: isKind('header'),
      then: {
        required: ['header'],
        hint: 'add header: NAME',
        propertyNames: onlyKeys(['header', 'from_user'], 'header'),
      },
      else: { propertyNames: onlyKeys(['from_user'], 'tailscale') },
    },
  },
} as const satisfies Schema

export const identitySchema = {
  type: 'object',
  description:
    'Who a client is by the word of a front proxy; see [identity.md](identity.md). Changes apply after a restart.',
  additionalProperties: false,
  properties: {
    required: {
      type: 'boolean',
      description: 'Whether every request needs an identity, except for `GET /healthz`.',
      default: defaults.identity.required,
    },
    sources: {
      type: 'array',
      description: 'Where identities come from. The first source counts whose header a request has.',
      default: defaults.identity.sources,
      maxItems: 16,
      items: source,
    },
  },
} as const satisfies Schema
