"""Sets up MLflow's gateway in a fresh SQLite database: one endpoint, with usage tracking; in its environment.

python mlflow_endpoint.py sqlite:///mlflow.db http://127.0.0.1:9/v1
"""

import sys

from mlflow.entities import GatewayEndpointModelConfig, GatewayModelLinkageType
from mlflow.tracking._tracking_service.utils import _get_sqlalchemy_store

database, address = sys.argv[1:]
store = _get_sqlalchemy_store(database, "artifacts")
secret = store.create_gateway_secret(
    "provider", {"api_key": "any"}, provider="openai", auth_config={"api_base": address}
)
model = store.create_gateway_model_definition("main", secret.secret_id, "openai", "gpt-4o-mini")
config = GatewayEndpointModelConfig(model.model_definition_id, GatewayModelLinkageType.PRIMARY)
store.create_gateway_endpoint("default", [config], usage_tracking=True)
