// A real OpenID provider for tests: oidc-provider, told by its environment where it lies and what it signs with.
// Prints one line of JSON when it listens.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const settings = JSON.parse(process.env.PEER);
const { default: Provider } = await import(pathToFileURL(join(settings.package, 'lib', 'index.js')));

const people = {
  ada: { email: 'Ada@Example.com', email_verified: true, groups: ['analysts'] },
  grace: { email: 'grace@example.com', email_verified: true, groups: ['analysts', 'approvers'] },
};

const provider = new Provider(`http://127.0.0.1:${settings.port}`, {
  jwks: { keys: settings.keys },
  cookies: { keys: ['only for tests'] },
  clients: [
    {
      client_id: 'hoopgate', token_endpoint_auth_method: 'none', redirect_uris: [], response_types: [],
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      id_token_signed_response_alg: settings.algorithm, application_type: 'native',
    },
    {
      client_id: 'robot', client_secret: 'only-for-tests', redirect_uris: [], response_types: [],
      grant_types: ['client_credentials'], id_token_signed_response_alg: settings.algorithm,
    },
  ],
  scopes: ['openid', 'offline_access', 'email', 'groups'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
  conformIdTokenClaims: false,
  findAccount: (ctx, id) => (people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  ttl: { IdToken: settings.lifetime, AccessToken: settings.lifetime, ClientCredentials: settings.lifetime,
    DeviceCode: 600, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
  issueRefreshToken: (ctx, client, code) => code.scopes.has('offline_access'),
  rotateRefreshToken: true,
  features: {
    deviceFlow: { enabled: true },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client) => (client.clientId === 'robot' ? 'https://gateway.example.com' : undefined),
      getResourceServerInfo: () => ({
        scope: 'sql', audience: 'hoopgate', accessTokenFormat: 'jwt', accessTokenTTL: settings.lifetime,
        jwt: { sign: { alg: settings.algorithm } },
      }),
    },
  },
});

provider.listen(settings.port, '127.0.0.1', () => console.log(JSON.stringify({ ready: true })));
