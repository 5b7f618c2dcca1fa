"""The physical world: MuJoCo renders a hand or a robot arm that pours what really flows."""
