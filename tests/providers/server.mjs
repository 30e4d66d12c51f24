// An identity provider that nobody here wrote: oidc-provider, certified by the OpenID Foundation, on a free loopback port.
//
// Takes one line of JSON, { clients }, prints one, { issuer }, when it is ready, and ends when its input does.
// POST /_knobs sets how the token endpoint answers; GET /_stats tells what it was asked since.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

import { Provider } from 'oidc-provider'

const API = 'https://api.test'
const ANSWERING = {
  before: 0, // ms until the grant is looked at
  after: 0, // ms from then until the answer is sent: who leaves meanwhile does not learn what was granted
  instead: null, // { status, type, body } in place of looking at the grant
  changes: {}, // fields of a token answer to replace; null takes one away
  lose: false, // break the connection in place of sending the answer
  times: Infinity, // how many requests all of the above holds for
  life: 3600, // s that access tokens live
}

const UNASKED = { requests: 0, granted: {}, refused: {} }

let knobs = ANSWERING
let stats = structuredClone(UNASKED)
const count = (counter, name) => { counter[name] = (counter[name] ?? 0) + 1 }

const configuration = ({ clients }) => ({
  clients,
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => API,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, audience) => ({
        audience, scope: 'read write', accessTokenFormat: 'jwt', accessTokenTTL: knobs.life,
      }),
    },
  },
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  ttl: { AccessToken: () => knobs.life, ClientCredentials: () => knobs.life },
})

async function control(ctx, next) {
  if (ctx.path === '/_stats') {
    ctx.body = stats
  } else if (ctx.path === '/_knobs') {
    const chunks = await ctx.req.toArray()
    knobs = { ...ANSWERING, ...JSON.parse(Buffer.concat(chunks)) }
    stats = structuredClone(UNASKED)
    ctx.body = {}
  } else {
    await next()
  }
}

async function tokenEndpoint(ctx, next) {
  if (ctx.path !== '/token') return next()
  stats.requests += 1
  const { before, after, instead, changes, lose } = knobs.times-- > 0 ? knobs : ANSWERING
  await sleep(before)
  if (instead) {
    Object.assign(ctx, instead)
    return
  }
  await next()
  count(ctx.status === 200 ? stats.granted : stats.refused, ctx.oidc.params.grant_type)
  await sleep(after)
  if (lose) {
    ctx.respond = false
    ctx.req.socket.destroy()
    return
  }
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete ctx.body[name]
    else ctx.body[name] = value
  }
}

const [line] = await once(createInterface({ input: process.stdin }).on('close', () => process.exit()), 'line')
const server = createServer()
await once(server.listen(0, '127.0.0.1'), 'listening')
const issuer = `http://127.0.0.1:${server.address().port}`
const provider = new Provider(issuer, configuration(JSON.parse(line)))
provider.use(control)
provider.use(tokenEndpoint)
server.on('request', provider.callback())
console.log(JSON.stringify({ issuer }))
